"""Reports: data first, then renderings.

``report.py`` (a change), ``monitoring.py`` (live traffic) and ``deployments.py`` (what went live) define the data;
``render.py`` turns each into Markdown, an offline HTML page, plain text or JUnit. Import from those modules: this
package itself stays empty so that it costs nothing to name.
"""

"""Calls to other services: a small HTTP/1.1 client, and what decides when a call is made, repeated or refused.

``origin.py``, ``mapping.py``, ``headers.py``, ``retry.py`` and ``breaker.py`` decide and touch no network;
``connection.py`` and ``client.py`` speak HTTP and know nothing of graphs; ``caller.py`` joins them for the steps of
``steps/remote.py``. Only ``connection.py`` needs httptools, so it is imported when the first call is made.
"""

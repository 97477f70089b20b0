"""The whole loop on real data, with embedded parts only: what ``graphship demo`` plays.

Only the host, the target, the traffic and the data come from here; everything that decides is what a user's project
calls too. Called by ``cli/demo.py`` and by the end-to-end tests, which want a real project to work on.
"""

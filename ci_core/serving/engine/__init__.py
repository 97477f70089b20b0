"""How a checked graph runs.

``program.py`` turns a graph into nodes that know where their input lies; ``flight.py`` is one event on its way through
them, ``walk.py`` calls sync steps in order, ``drive.py`` runs async ones side by side, and ``straight.py`` has short
cuts for the shapes most graphs have, in which nothing but the calls happens while all goes well. Whatever goes wrong in
a short cut goes on in the general form, so there is one rule for errors and ways back.
"""

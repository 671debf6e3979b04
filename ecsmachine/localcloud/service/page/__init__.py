"""The cloud's page: what happens in it, in a browser.

``admission.py`` says who may see it, ``routes.py`` what there is to ask for, ``stream.py`` keeps
browsers up to date, and ``static/`` is what they load: plain modules, without a build step.
"""

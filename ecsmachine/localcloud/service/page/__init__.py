"""The page of the cloud: shows the cloud in a browser.

``admission.py`` controls access, ``routes.py`` has the requests, ``stream.py`` updates browsers,
and ``static/`` has the files that they load: plain modules, without a build step.
"""

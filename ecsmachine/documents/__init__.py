"""Documents that came from outside, read once into values of declared types and rules.

Files that other programs or people may have written, and answers over a network: a value is
checked where it enters. :mod:`text` parses, :mod:`fields` reads an object's values by name and
type, :mod:`rules` says what a text may be. Whatever is wrong ends in one error, which the caller
makes of the reason that it is given; the reason begins with the field.
"""

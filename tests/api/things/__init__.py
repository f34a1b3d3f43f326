"""A thing of each kind that there can be, ann's where it can be anybody's.

Each module has `async def furnish(here: House)`, which makes the things of its nouns. They are
called in the order of their names; what needs another noun's thing asks `here.thing(kind)` or is
made in that noun's module. A `a_` module comes first: what nearly everything needs.
"""

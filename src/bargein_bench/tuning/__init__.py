"""`bargein tune`: recorded calls decide again under other policies. What comes of it is a trade-off, false stops
against latency, and a policy to propose.

records   calls of a folder, read, and taken apart
episodes  a stretch of evidence over one reply, with the floor as it stood before
apart     takes a record apart into episodes
truth     what a person would have done there: from labels, or from the record
play      one episode under one policy
space     which policies are tried
score     what a policy comes to, over many episodes
search    tries them, and proposes one
show      tables, TOML, JSON; page: the curve, as HTML
"""

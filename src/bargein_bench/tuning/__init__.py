"""`bargein tune`: recorded calls decide again under other policies, and one policy is proposed.

records    calls of a folder, read, and split into episodes episodes   evidence over one reply, with the floor as it
stood before splitting  splits a record into episodes truth      what a person would have done there: from labels, or
from the record play       one episode under one policy space      which policies are tried score      what a policy
comes to, over many episodes search     tries policies, and proposes one show       tables, TOML, JSON; page: the
trade-off, as HTML
"""

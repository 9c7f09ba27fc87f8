"""`bargein bench`: calls any voice agent, interrupts it, and scores it at the ear; and `bargein tune`.

`scenery` is what callers do, `targets` by which protocol, `judging` what became of it, `report` the page that shows it,
`tuning` what other policies would have done with recorded calls; `own` are the numbers of our README (`make bench`).
"""

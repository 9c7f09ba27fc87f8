"""`bargein bench`: calls any voice agent, interrupts it, and scores what the caller heard; and `bargein tune`.

callers/    simulated callers scenarios/  what callers do targets/    by which protocol an agent is called judging/
what became of each interruption report/     the page that shows it tuning/     what other policies would have done with
recorded calls
"""

"""The demo: a small world is attacked, and everything that is shown is what happened.

    1  an honest crowd teaches titer what normal looks like        (teach)
    2  a model server, titer in front of it, a key for every caller
    3  honest callers and attackers, over the real network path     (play)
    4  who stands where; why; what everybody noticed                (judge)
    5  a dossier is made, verified, broken by one bit, and refused  (proof)
    6  what to try next

Nothing is hard-coded: `Outcome` is computed from the gateway's log and from what the callers
themselves received, and the exit status says whether the story held.
"""

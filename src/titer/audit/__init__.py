"""Asks artefacts instead of traffic: did a suspect model learn from what we served?

    plan      what will be asked, tested and concluded, put into the log before anything is asked
    collect   the suspect's answers, resumable, within a budget, watched for tricks
    pairs     answers -> distinct (context, token) pairs with weights
    tails     p-values that hold without approximation
    nulls     what wrong keys and control texts say about the test itself
    judge     Holm, innocent explanations, the claim; the result goes into the log as well
    power     what could be proved at all, before anybody spends a request

Nobody is accused by a test whose null was not measured: `judge` refuses to (docs/adr/0028).
"""

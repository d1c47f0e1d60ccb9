"""Words of our own for honest requests that look like extraction, others on either side."""

#: How honest people have a model grade.
JUDGES = {
    "tune": (
        (
            "You check answers of our support bot. Question: {q}\nBot: {a}\nIs the answer polit"
            "e and correct? Reply PASS or FAIL."
        ),
        (
            "Rate the translation below from 1 to 5 for fluency and accuracy. Give only the n"
            "umber.\n\nSource: {q}\nTarget: {a}"
        ),
        (
            "Grade this pupil's answer with points out of 10, with one sentence of feedback.\n"
            "Task: {q}\nAnswer: {a}"
        ),
        "Does the document answer the query? Answer yes or no.\nQuery: {q}\nDocument: {a}",
        "Compare summary A with summary B and say which is more faithful.\nA: {q}\nB: {a}",
    ),
    "report": (
        (
            "Here is a ticket and what our agent wrote back. Score helpfulness on a scale of "
            "1-10 and justify briefly.\n### Ticket\n{q}\n### Reply\n{a}"
        ),
        (
            "Evaluate whether the candidate's response meets the criteria: relevance, tone, g"
            "rammar. Output JSON.\nPrompt: {q}\nResponse: {a}"
        ),
        (
            "As an examiner, mark the essay according to the rubric (content 4, language 4, f"
            "orm 2).\nTopic: {q}\nEssay: {a}"
        ),
        "Label the review as positive, negative or mixed.\nTitle: {q}\nReview: {a}",
        (
            "Which of the two replies would a customer prefer, 1 or 2? Think about it first.\n"
            "1. {q}\n2. {a}"
        ),
    ),
}
#: How pupils ask for help with one sheet of exercises.
PUPILS = {
    "tune": (
        "please help me with this exercise: {q}",
        "{q} explain it to me like I am 12",
        "how do I solve this?\n{q}",
        "I got stuck. {q} Show every step please",
        "{q}",
    ),
    "report": (
        "Homework for tomorrow: {q}",
        "can you walk me through this one step by step? {q}",
        "{q}\nWhy is that the answer?",
        "Explain your reasoning.\n{q}",
        "solve: {q}",
    ),
}
#: What people add or leave out.
ODDS = ("", "", " thanks", " please", "!", " Be brief.", " pls", " thank you very much")

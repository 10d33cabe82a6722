"""Prompts to start from: (label of the button, prompt, answer choices one per line)."""

EXAMPLES = [
    (
        "Sentiment",
        "Review: A slow start, but a warm and funny film in the end.\nIs this review positive or negative?",
        "positive\nnegative",
    ),
    (
        "Does it follow?",
        "The ferry to the island was cancelled because of the storm.\n"
        "Does it follow that the ferry did not sail? Yes or no?",
        "yes\nno",
    ),
    (
        "Topic",
        "Which section of a newspaper would print this?\n"
        "The midfielder signed for three more years after the cup final.",
        "sports\nbusiness\nscience\npolitics",
    ),
    (
        "Question",
        "Read the text and answer the question.\n"
        "Text: Mira planted tomatoes in April and picked the first ones in July.\n"
        "Question: When did Mira pick the first tomatoes?",
        "",
    ),
    (
        "Few-shot, typed by hand",
        "apple -> fruit\ncarrot -> vegetable\npear -> fruit\nleek ->",
        "fruit\nvegetable",
    ),
]

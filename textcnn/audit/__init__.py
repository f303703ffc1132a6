"""What is wrong with a labelled corpus, before one trains on it.

Modules:
    auditing: `audit`, from labelled texts to all findings.
    finding: A finding, and its kinds with their rules.
    corrections: Findings as a table, and what a person decided on them, applied.
    audit_page: Findings as an HTML page.
    _checks: Rules on texts and labels that need no model.
    _near_duplicates: Texts that share nearly all words.
    _label_errors: Labels that models which did not see them find improbable.
"""

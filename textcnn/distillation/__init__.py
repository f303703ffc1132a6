"""A teacher's answers to many texts, and a student that learns from them.

Modules:
    distilling: `distill`, from labelled and unlabelled texts and a teacher to a saved student.
    self_training: `self_train`, whose teachers are trained on the labels themselves.
    _teacher, _teachers, _transformer: Saved models, functions and transformers as teachers.
    _answers: A teacher's answers, kept in files as they come.
"""

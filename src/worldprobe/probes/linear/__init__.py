"""Ridge and logistic regression, and the decompositions that they share."""

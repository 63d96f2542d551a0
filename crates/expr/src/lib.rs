//! What is computed: values, CEL, templates, counted budgets.

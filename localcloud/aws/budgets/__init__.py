"""AWS Budgets: moto's, with budgets and notifications that can be changed, and subscribers that are told back."""

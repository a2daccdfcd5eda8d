"""What AWS would make, and a security review would not: each rule names the control that wants it."""

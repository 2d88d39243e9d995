"""Are the tests of the pure modules able to fail? `make mutate` breaks each module on purpose.

Every mutant is one small change of a module. Its tests run against it in a process of their own;
a mutant that they let pass is a survivor: a behaviour that no test asks for.
"""

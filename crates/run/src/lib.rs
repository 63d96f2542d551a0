//! What we do about it: the graph of nodes and the step machine.

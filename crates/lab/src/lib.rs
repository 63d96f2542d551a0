//! Looking at it: scenarios, why, the simulator.

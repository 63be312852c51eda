"""FiLM convolution, spatial softmax and L1 regression of the chunk: small, fast, and the bar for `pi0_mini`."""

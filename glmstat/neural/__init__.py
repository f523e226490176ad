"""Networks: trained, then used as fixed columns of a GLM, with inference that holds."""

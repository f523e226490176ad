# Adjusted scores with several roots: those that brglm2 reaches by default. Rscript roots.R > roots.json, in this folder.
suppressMessages({library(brglm2); library(jsonlite)})
D <- read.csv("roots.csv")
one <- function(set, link, type) {
  fit <- glm(y ~ x + z, binomial(link), D[D$set == set, ], method = "brglmFit",
             control = list(type = type, epsilon = 1e-12, maxit = 1000))
  list(set = set, link = link, type = type, coef = unname(coef(fit)), converged = fit$converged)
}
cases <- list(one(22, "cloglog", "AS_mean"), one(53, "cauchit", "AS_mean"), one(5, "cauchit", "MPL_Jeffreys"))
cat(toJSON(cases, digits = NA, auto_unbox = TRUE, pretty = TRUE), "\n")

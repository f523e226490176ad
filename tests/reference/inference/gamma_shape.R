# Maximum likelihood dispersion with prior weights, which divide it: MASS's gamma.shape; inverse Gaussian in closed form.
# Rscript gamma_shape.R > gamma_shape.json, in this folder. Data: datasets/motor.csv, policies with a cost.
suppressPackageStartupMessages({library(jsonlite); library(MASS)})
M <- read.csv("../../../datasets/motor.csv", stringsAsFactors = TRUE)
M <- M[M$cost > 0, ]
M$age <- factor(M$age, levels = c("17-25", "26-40", "41-65", "66+"))
strict <- glm.control(epsilon = 1e-15, maxit = 100)
settled <- function(f) { for (i in 1:3) f <- update(f, start = coef(f)); f }
f <- settled(glm(cost ~ age, Gamma("log"), M, weights = exposure, control = strict))
s <- gamma.shape(f, it.lim = 100, eps.max = 1e-13)
g <- settled(glm(cost ~ age, inverse.gaussian("log"), M, weights = exposure, control = strict))
phi <- deviance(g) / nrow(M)
row <- function(fit, phi) list(dispersion = phi, se = unname(sqrt(diag(vcov(summary(fit, dispersion = phi))))), loglik = as.numeric(logLik(fit)))
cat(toJSON(list(gamma = row(f, 1 / s$alpha), inverse_gaussian = row(g, phi)), digits = NA, auto_unbox = TRUE, pretty = TRUE), "\n")

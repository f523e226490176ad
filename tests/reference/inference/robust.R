# robust.R - HC0 to HC5 by R's sandwich, hat values and outer products of gradients. Run from this folder: Rscript robust.R
# R 4.2.2, sandwich 3.0-2. `vcov` is the lower triangle by columns. Rows of weight 0 are taken out before sandwich sees them:
# it counts them in n. Frequencies are repeated rows.
suppressPackageStartupMessages({library(sandwich); library(jsonlite)})
data_of <- function(name) read.csv(file.path("..", "data", paste0(name, ".csv")))
low <- function(V) V[lower.tri(V, diag = TRUE)]
exact <- glm.control(epsilon = 1e-30, maxit = 60)
options(warn = -1)  # 60 steps never meet 1e-30
polish <- function(fit) {  # equal deviances stop glm before the last digits of hat values
  for (i in 1:8) { again <- fit$call; again$start <- coef(fit); fit <- eval(again, parent.frame()) }
  fit }
D <- read.csv(file.path("..", "..", "unit", "data", "features_check_data.csv"))
budworm <- data_of("budworm"); zero <- data_of("swiss_zero"); D$few <- rep(c(1, 0, 2, 3), 10); D$times <- rep(c(1, 3, 2, 1, 4), 8)
fits <- list(
  poisson = polish(glm(y ~ x + f, poisson, D, control = exact)),
  gamma_weighted = polish(glm(g ~ x + f, Gamma("log"), D, weights = w, control = exact)),
  gaussian = polish(glm(g ~ x + f, gaussian, D, control = exact)),
  poisson_offset = polish(glm(y ~ x + offset(log(t)), poisson, D, control = exact)),
  trials = polish(glm(cbind(numdead, n - numdead) ~ sex + ldose, binomial, budworm, control = exact)),
  quasi = polish(glm(y ~ x + f, quasipoisson, D, control = exact)),
  zero_weights = polish(glm(g ~ x + f, Gamma("log"), subset(D, few > 0), weights = few, control = exact)),
  repeated = polish(glm(y ~ x + f, poisson, D[rep(seq_len(nrow(D)), D$times), ], control = exact)),
  repeated_gamma = polish(glm(g ~ x, Gamma("log"), D[rep(seq_len(nrow(D)), D$times), ], control = exact)))
opg <- function(fit) {  # scores with the dispersion of the summary
  u <- residuals(fit, "working") * weights(fit, "working") * model.matrix(fit) / summary(fit)$dispersion
  solve(crossprod(u)) }
one <- function(fit) list(
  hat = unname(hatvalues(fit)), opg = low(opg(fit)),
  vcov = sapply(c("HC0", "HC1", "HC2", "HC3", "HC4", "HC4m", "HC5"), function(k) low(vcovHC(fit, type = k)), simplify = FALSE))
out <- lapply(fits, one)
out$poisson$vcovOPG <- low(vcovOPG(fits$poisson)); out$trials$vcovOPG <- low(vcovOPG(fits$trials))
write(toJSON(out, digits = 17, auto_unbox = FALSE), "robust.json")

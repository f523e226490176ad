# influence.R - influence of rows by R's influence.measures, rstandard, rstudent; exact deletion of rows and clusters by
# refits; first steps of clusters by their formula. Run from this folder: Rscript influence.R
# R 4.2.2. Matrices are lists of rows. Rows of weight 0 are taken out before; frequencies are repeated rows.
suppressPackageStartupMessages(library(jsonlite))
data_of <- function(name) read.csv(file.path("..", "data", paste0(name, ".csv")))
exact <- glm.control(epsilon = 1e-30, maxit = 60)
options(warn = -1)  # 60 steps never meet 1e-30
polish <- function(fit) {  # equal deviances stop glm before the last digits of hat values
  for (i in 1:8) { again <- fit$call; again$start <- coef(fit); fit <- eval(again, parent.frame()) }
  fit }
D <- read.csv(file.path("..", "..", "unit", "data", "features_check_data.csv"))
D$few <- rep(c(1, 0, 2, 3), 10); D$times <- rep(c(1, 3, 2, 1, 4), 8); D$firm <- rep(1:8, 5)
wb <- data_of("warpbreaks"); wb$tension <- factor(wb$tension, c("L", "M", "H")); wb$wool <- factor(wb$wool)
fits <- list(
  gaussian = polish(glm(mpg ~ wt + hp, gaussian, data_of("mtcars"), control = exact)),
  poisson = polish(glm(breaks ~ wool * tension, poisson, wb, control = exact)),
  quasipoisson = polish(glm(breaks ~ wool + tension, quasipoisson, wb, control = exact)),
  gamma_inverse = polish(glm(lot1 ~ log(u), Gamma, data_of("clotting"), control = exact)),
  gamma_weighted = polish(glm(g ~ x, Gamma("log"), D, weights = w, control = exact)),
  logit = polish(glm(low ~ age + lwt, binomial, data_of("birthwt"), control = exact)),
  trials = polish(glm(cbind(numdead, n - numdead) ~ sex + ldose, binomial, data_of("budworm"), control = exact)),
  sqrt = polish(glm(y ~ x + f, poisson("sqrt"), D, control = exact)),
  zero_weights = polish(glm(g ~ x + f, Gamma("log"), subset(D, few > 0), weights = few, control = exact)),
  repeated = polish(glm(g ~ x, Gamma("log"), D[rep(seq_len(nrow(D)), D$times), ], control = exact)))
rows <- function(M) unname(as.matrix(M))
one <- function(fit) { m <- influence.measures(fit); k <- length(coef(fit)); i <- influence(fit)
  list(hat = unname(i$hat), sigma = unname(i$sigma), std_resid_deviance = unname(rstandard(fit)),
    std_resid_pearson = unname(rstandard(fit, type = "pearson")), student_resid = unname(rstudent(fit)),
    cooks = unname(cooks.distance(fit)), dffits = unname(dffits(fit)), covratio = unname(covratio(fit)),
    dfbeta = rows(dfbeta(fit)), dfbetas = rows(dfbetas(fit)), flagged = unname(apply(m$is.inf, 1, any)),
    marks = rows(m$is.inf)) }
without <- function(fit, groups) { d <- fit$data
  rows(t(sapply(groups, function(drop) { part <- d[-drop, ]; part$.w <- fit$prior.weights[-drop]
    coef(polish(glm(formula(fit), family(fit), part, weights = .w, control = exact))) }))) }
step <- function(fit, groups) {  # (J - J_g)^-1 U_g, and Cook's distance of it
  X <- model.matrix(fit); w <- weights(fit, "working"); u <- residuals(fit, "working") * w; J <- crossprod(X * sqrt(w))
  d <- t(sapply(groups, function(g) solve(J - crossprod(X[g, , drop = FALSE] * sqrt(w[g])), crossprod(X[g, , drop = FALSE], u[g]))))
  phi <- summary(fit)$dispersion
  list(change = rows(d), cooks = unname(rowSums((d %*% J) * d) / (ncol(X) * phi)), dfbetas = rows(t(t(d) / sqrt(phi * diag(solve(J)))))) }
out <- list(rows = lapply(fits, one))
single <- function(fit) as.list(seq_len(nrow(fit$data)))
out$exact <- lapply(fits[c("gaussian", "poisson", "gamma_inverse", "gamma_weighted", "logit")], function(f) without(f, single(f)))
firms <- split(seq_len(nrow(D)), D$firm)
clustered <- list(poisson = polish(glm(y ~ x + f, poisson, D, control = exact)), gamma = polish(glm(g ~ x, Gamma("log"), D, weights = w, control = exact)),
  gaussian = polish(glm(g ~ x + f, gaussian, D, control = exact)))
out$clusters <- lapply(clustered, function(f) c(step(f, firms), list(exact = without(f, firms))))
write(toJSON(out, digits = 17, auto_unbox = FALSE), "influence.json")

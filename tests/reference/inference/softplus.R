# Maxima with the softplus link, which R takes as a link of one's own; Fisher steps beyond R's stopping.
# Rscript softplus.R > softplus.json, in this folder. Data D is tests/unit/data/features_check_data.csv.
library(jsonlite)
D <- read.csv("../../unit/data/features_check_data.csv", stringsAsFactors = TRUE)
softplus <- structure(list(
  linkfun = function(mu) mu + log(-expm1(-mu)), linkinv = function(eta) pmax(eta, 0) + log1p(exp(-abs(eta))),
  mu.eta = plogis, valideta = function(eta) TRUE, name = "softplus"), class = "link-glm")
case <- function(formula, family) {
  D$.y <- eval(formula[[2]], D); width <- ncol(model.matrix(formula, D))
  fit <- suppressWarnings(glm(formula, family, D, start = c(softplus$linkfun(mean(D$.y)), rep(0, width - 1)),
                              control = glm.control(epsilon = 1e-15, maxit = 200)))
  X <- model.matrix(fit); y <- fit$y; b <- coef(fit); o <- fit$offset; if (is.null(o)) o <- rep(0, length(y))
  for (again in 1:20) {
    eta <- as.vector(o + X %*% b); mu <- softplus$linkinv(eta); d <- softplus$mu.eta(eta); V <- family$variance(mu)
    b <- b + as.vector(solve(crossprod(X, X * d^2 / V), crossprod(X, (y - mu) * d / V)))
  }
  phi <- if (family$family == "poisson" || grepl("Negative", family$family)) 1 else
    sum((y - mu)^2 / V) / fit$df.residual
  list(coef = unname(b), std_error = unname(sqrt(phi * diag(solve(crossprod(X, X * d^2 / V))))),
       deviance = sum(family$dev.resids(y, mu, rep(1, length(y)))), null = fit$null.deviance)
}
cat(toJSON(list(
  poisson = case(y ~ x + f, poisson(softplus)), offset = case(y ~ x + offset(t), poisson(softplus)),
  gamma = case(g ~ x + f, Gamma(softplus)), inverse_gaussian = case(g ~ x, inverse.gaussian(softplus)),
  gaussian = case(g ~ x + f, gaussian(softplus)),
  `negative_binomial(2)` = case(y ~ x + f, MASS::negative.binomial(2, softplus))
), digits = NA, auto_unbox = TRUE, pretty = TRUE))

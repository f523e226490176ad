# Tweedie likelihood: densities of mgcv's ldTweedie; p and phi by maximum likelihood over fits of statmod's family.
# Rscript tweedie.R > tweedie.json, in this folder. Data: datasets/motor.csv.
suppressPackageStartupMessages({library(jsonlite); library(mgcv); library(statmod)})
options(warn = -1)
grid <- expand.grid(y = c(0, 0.05, 0.8, 3, 40), mu = c(0.5, 2), phi = c(0.1, 1, 8), p = c(1.1, 1.35, 1.6, 1.9))
density <- mapply(function(y, mu, phi, p) ldTweedie(y, mu = mu, p = p, phi = phi)[1, 1], grid$y, grid$mu, grid$phi, grid$p)
M <- read.csv("../../../datasets/motor.csv", stringsAsFactors = TRUE)
M$age <- factor(M$age, levels = c("17-25", "26-40", "41-65", "66+"))
M$rate <- M$cost / M$exposure
fitted_at <- function(p, formula, w) {
  environment(formula) <- environment(); M$w_ <- w; y <- eval(formula[[2]], M); M$at_ <- 0.1 * y + 0.9 * weighted.mean(y, w)
  glm(formula, family = statmod::tweedie(var.power = p, link.power = 0), data = M, weights = w_, mustart = at_,
    control = glm.control(epsilon = 1e-30, maxit = 40))
}
top <- function(p, formula, w) {
  f <- fitted_at(p, formula, w); mu <- fitted(f); y <- f$y
  height <- function(s) sum(ldTweedie(y, mu = mu, p = p, phi = exp(s) / w)[, 1])
  slope <- function(s) (height(s + 1e-4) - height(s - 1e-4)) / 2e-4
  s0 <- optimize(height, log(summary(f)$dispersion) + c(-3, 3), maximum = TRUE, tol = 1e-8)$maximum
  s <- uniroot(slope, s0 + c(-0.05, 0.05), tol = 1e-12)$root
  list(loglik = height(s), phi = exp(s), coef = unname(coef(f)), pearson = sum(residuals(f, "pearson")^2) / df.residual(f), deviance = deviance(f))
}
profile <- function(formula, w) {
  look <- function(p) top(p, formula, w)$loglik
  p <- optimize(look, c(1.2, 1.6), maximum = TRUE, tol = 1e-5)$maximum
  best <- look(p)
  cut <- function(q) 2 * (best - look(q)) - qchisq(0.95, 1)
  bend <- -(look(p + 5e-3) - 2 * best + look(p - 5e-3)) / 25e-6
  c(list(p = p, se = 1 / sqrt(bend), low = uniroot(cut, c(1.15, p), tol = 1e-7)$root, high = uniroot(cut, c(p, 1.7), tol = 1e-7)$root), top(p, formula, w))
}
one <- rep(1, nrow(M))
cat(toJSON(list(
  density = cbind(grid, value = density),
  fixed = top(1.5, cost ~ age + region, one),
  weighted = top(1.6, rate ~ age + region, M$exposure),
  profile = profile(rate ~ age + region, M$exposure),
  smaller = profile(rate ~ age, M$exposure)
), digits = NA, auto_unbox = TRUE), "\n")

# Exact ends of profile and score intervals, by uniroot on the statistic of refits with one combination held.
# Rscript profile.R > profile.json, in this folder. Data D is tests/unit/data/features_check_data.csv.
library(jsonlite)
D <- read.csv("../../unit/data/features_check_data.csv", stringsAsFactors = TRUE)
control <- glm.control(epsilon = 1e-15, maxit = 200)

step <- function(Z, y, w, family, eta) {
  mu <- family$linkinv(eta); d <- family$mu.eta(eta); V <- family$variance(mu)
  J <- crossprod(Z, Z * (w * d^2 / V)); s <- tryCatch(solve(J, crossprod(Z, w * (y - mu) * d / V)), error = function(e) NULL)
  if (is.null(s) || any(!is.finite(s)) || max(abs(s)) > 1e-3) rep(0, ncol(Z)) else as.vector(s)
}
held <- function(X, y, w, o, family, k, v, start = NULL) {   # k'theta = v: one coefficient replaced
  j <- which.max(abs(k)); Z <- X[, -j, drop = FALSE] - outer(X[, j], k[-j] / k[j]); o2 <- o + X[, j] * v / k[j]
  again <- function(...) suppressWarnings(glm.fit(Z, y, w, offset = o2, family = family, control = control, ...))
  fit <- if (ncol(Z)) tryCatch(again(), error = function(e) again(start = start[-j])) else list(coefficients = numeric(0))
  b <- fit$coefficients; b[is.na(b)] <- 0
  if (ncol(Z)) for (again in 1:8) b <- b + step(Z, y, w, family, as.vector(o2 + Z %*% b))    # Fisher steps beyond R's stopping
  eta <- as.vector(o2 + Z %*% b); mu <- family$linkinv(eta)
  list(deviance = sum(family$dev.resids(y, mu, w)), eta = eta, mu = mu, b = b)
}
rao <- function(X, y, w, family, at) {
  d <- family$mu.eta(at$eta); V <- family$variance(at$mu)
  U <- crossprod(X, w * (y - at$mu) * d / V); J <- crossprod(X, X * (w * d^2 / V))
  as.vector(crossprod(U, solve(J, U)))
}
ends <- function(X, y, w, o, family, k, cut, phi, estimate, se, least, kind = "deviance", start = NULL) {
  f <- function(v) { at <- held(X, y, w, o, family, k, v, start)
    (if (kind == "deviance") at$deviance - least else rao(X, y, w, family, at)) / phi - cut^2 }
  sapply(c(-1, 1), function(side) {
    far <- estimate + side * 0.5 * se; while (f(far) < 0) far <- far + side * 0.5 * se
    uniroot(f, sort(c(estimate, far)), tol = 1e-14, maxiter = 500)$root })
}
case <- function(formula, data, family, combinations = list(), level = 0.95, weights = NULL, kinds = c("deviance", "score"), start = NULL) {
  data$.w <- if (is.null(weights)) rep(1, nrow(data)) else data[[weights]]
  fit <- suppressWarnings(glm(formula, data = data, family = family, weights = .w, control = control, start = start))
  X <- model.matrix(fit); y <- fit$y; w <- fit$prior.weights; o <- fit$offset; if (is.null(o)) o <- rep(0, length(y))
  s <- summary(fit); phi <- s$dispersion; V <- vcov(fit); b <- coef(fit)
  for (again in 1:8) b <- b + step(X, y, w, fit$family, as.vector(o + X %*% b))
  mu <- fit$family$linkinv(as.vector(o + X %*% b)); least <- sum(fit$family$dev.resids(y, mu, w))
  if (phi != 1) phi <- sum(w * (y - mu)^2 / fit$family$variance(mu)) / fit$df.residual
  z <- qnorm(0.5 + level / 2); t <- qt(0.5 + level / 2, fit$df.residual)
  cuts <- if (fit$family$family %in% c("binomial", "poisson")) c(normal = z) else c(normal = z, t = t)
  p <- ncol(X); all <- c(setNames(lapply(seq_len(p), function(j) as.numeric(seq_len(p) == j)), colnames(X)), combinations)
  V <- V * phi / s$dispersion; J <- lapply(all, function(k) c(estimate = sum(k * b), se = sqrt(sum(k * (V %*% k)))))
  out <- list(coef = unname(b), dispersion = phi, level = level, se = lapply(J, function(j) j[["se"]]),
              ratio = lapply(J, function(j) c(exp(j[["estimate"]]), exp(j[["estimate"]]) * j[["se"]])))
  for (kind in kinds) for (cut in names(cuts)) out[[kind]][[cut]] <- lapply(all, function(k)
    ends(X, y, w, o, fit$family, k, cuts[[cut]], phi, sum(k * b), sqrt(sum(k * (V %*% k))), least, kind, b))
  out
}
out <- list()
out$poisson <- case(y ~ x + f + offset(log(t)), D, poisson(), list(`x + f[T.b]` = c(0, 1, 1), `x - 2*f[T.b]` = c(0, 1, -2)))
out$poisson_90 <- case(y ~ x + f + offset(log(t)), D, poisson(), level = 0.9)
out$poisson_weighted <- case(y ~ x + f, D, poisson(), weights = "w")
out$gamma <- case(g ~ x, D, Gamma("log"), list(`Intercept + x` = c(1, 1)))
out$logit <- case(cbind(s, 10 - s) ~ x + f, D, binomial(), list(`x + f[T.b]` = c(0, 1, 1)))
out$probit <- case(cbind(s, 10 - s) ~ x + f, D, binomial("probit"))
out$cloglog <- case(cbind(s, 10 - s) ~ x, D, binomial("cloglog"))
out$quasipoisson <- case(y ~ x, D, quasipoisson())
out$gaussian_log <- case(g ~ x, D, gaussian("log"), start = c(0, 0))
out$gaussian_log_weighted <- case(g ~ x + f, D, gaussian("log"), weights = "w", start = c(0, 0, 0))
out$sqrt <- case(y ~ t + f, D, poisson("sqrt"))
out$cauchit <- case(cbind(s, 10 - s) ~ x + f, D, binomial("cauchit"))

# Two cases of reference_glm.json, started from R's own starting values
B <- read.csv("../data/birthwt.csv"); B$race <- factor(B$race, c("white", "black", "other"))
out$mtcars <- case(am ~ wt, mtcars, binomial(), kinds = "deviance")
out$birthwt <- case(low ~ age + lwt + race + smoke + ht + ui, B, binomial(), kinds = "deviance")

# Separation: infinite coefficients. The least deviance is that of the rows left; the finite end by uniroot.
separated <- function(X, y, w, family, k, start, side, least) {
  f <- function(v) held(X, y, w, rep(0, length(y)), family, k, v)$deviance - least - qchisq(0.95, 1)
  near <- start; while (f(near) > 0) near <- near - side; far <- near; while (f(far) < 0) far <- far + side
  uniroot(f, sort(c(near, far)), tol = 1e-13, maxiter = 500)$root }
S <- data.frame(n = c(12, 9, 7), s = c(5, 9, 3), f = c("a", "b", "c")); X <- model.matrix(~ f, S)
left <- glm(cbind(s, n - s) ~ f, data = S[S$f != "b", ], family = binomial(), control = control)
out$separated_binomial <- list(low_fb = separated(X, S$s / S$n, S$n, binomial(), c(0, 1, 0), 1, -1, left$deviance),
  low_fb_minus_fc = separated(X, S$s / S$n, S$n, binomial(), c(0, 1, -1), 1, -1, left$deviance),
  fc = ends(X[S$f != "b", -2], (S$s / S$n)[-2], S$n[-2], c(0, 0), binomial(), c(0, 1), qnorm(.975), 1, coef(left)[2], sqrt(vcov(left)[2, 2]), left$deviance))
P <- data.frame(y = c(3, 5, 4, 0, 0, 0, 2, 6), f = rep(c("a", "b", "a"), c(3, 3, 2)), x = c(.1, .4, -.3, .2, .9, -.5, 1.1, .6))
X <- model.matrix(~ f + x, P); left <- glm(y ~ x, data = P[P$f == "a", ], family = poisson(), control = control)
out$separated_poisson <- list(high_fb = separated(X, P$y, rep(1, 8), poisson(), c(0, 1, 0), -1, 1, left$deviance),
  x = ends(cbind(1, P$x[P$f == "a"]), P$y[P$f == "a"], rep(1, 5), rep(0, 5), poisson(), c(0, 1), qnorm(.975), 1, coef(left)[2], sqrt(vcov(left)[2, 2]), left$deviance))
C <- data.frame(x = 1:8, y = rep(0:1, each = 4)); X <- model.matrix(~ x, C)   # complete separation
out$complete <- list(low_x = separated(X, C$y, rep(1, 8), binomial(), c(0, 1), 1, -1, 0), high_intercept = separated(X, C$y, rep(1, 8), binomial(), c(1, 0), -3, 1, 0))

# Bounded links: the other coefficient by optimize over what the domain leaves of it.
over <- function(deviance, low, high) min(deviance(low), deviance(high), optimize(deviance, c(low, high), tol = 1e-13)$objective)
I <- data.frame(x = c(0, 1, 2, 3, 4, 5), y = c(0, 2, 1, 4, 6, 5))          # poisson, identity: b0 + b1 x >= 0
dev <- function(b0, b1) { mu <- b0 + b1 * I$x; sum(poisson()$dev.resids(I$y, pmax(mu, 1e-300), rep(1, 6))) }
slope <- function(b1) over(function(b0) dev(b0, b1), max(0, -5 * b1), 30)
best <- optimize(slope, c(0.2, 3), tol = 1e-13)
root <- function(f, low, high) uniroot(f, c(low, high), tol = 1e-13, maxiter = 500)$root
cut <- qchisq(.95, 1)
out$identity_poisson <- list(deviance = best$objective,
  x = c(root(function(b) slope(b) - best$objective - cut, .2, best$minimum), root(function(b) slope(b) - best$objective - cut, best$minimum, 4)))
B <- data.frame(x = c(0, 1, 2, 3), n = c(10, 10, 10, 10), s = c(2, 4, 7, 10))  # binomial, log: b0 + 3 b1 <= 0
devb <- function(b0, b1) { mu <- pmin(exp(b0 + b1 * B$x), 1); sum(binomial()$dev.resids(B$s / B$n, mu, B$n)) }
slope <- function(b1) over(function(b0) devb(b0, b1), -8, min(0, -3 * b1))
best <- optimize(slope, c(0.1, 2), tol = 1e-13)
out$log_binomial <- list(deviance = best$objective,
  x = c(root(function(b) slope(b) - best$objective - cut, .05, best$minimum), root(function(b) slope(b) - best$objective - cut, best$minimum, 3)))
fit <- glm(g ~ x, Gamma("inverse"), D, control = control)                     # gamma, inverse: b0 + b1 x > 0
devg <- function(b0, b1) sum(Gamma("inverse")$dev.resids(D$g, 1 / (b0 + b1 * D$x), rep(1, 40)))
slope <- function(b1) over(function(b0) devg(b0, b1), max(-b1 * D$x) + 1e-9, 5)
g <- function(cut) function(b) (slope(b) - fit$deviance) / summary(fit)$dispersion - cut^2
out$gamma_inverse <- list(x = lapply(c(normal = qnorm(.975), t = qt(.975, 38)), function(cut) c(root(g(cut), -1.5, coef(fit)[[2]]), root(g(cut), coef(fit)[[2]], 1))))

# Inverse Gaussian, log link: the deviance stays finite as the mean grows, so upper ends may be infinite.
G <- data.frame(y = c(.8, 1.4, 3.1, .6, 2.2, 5.0)); fit <- glm(y ~ 1, inverse.gaussian("log"), G, control = control)
phi <- summary(fit)$dispersion; m <- mean(G$y)
d <- function(b) sum((G$y - exp(b))^2 / (G$y * exp(2 * b))) 
out$inverse_gaussian <- list(dispersion = phi, limit = (sum(1 / G$y) - d(log(m))) / phi,
  low = root(function(b) (d(b) - d(log(m))) / phi - qt(.975, 5)^2, log(m) - 4, log(m)),
  low_60 = root(function(b) (d(b) - d(log(m))) / phi - qt(.8, 5)^2, log(m) - 4, log(m)), high_60 = root(function(b) (d(b) - d(log(m))) / phi - qt(.8, 5)^2, log(m), log(m) + 4))
# What R prints itself (interpolated profile)
suppressMessages(library(MASS))
out$mass <- suppressMessages(list(poisson = unname(apply(confint(glm(y ~ x + f + offset(log(t)), poisson, D)), 1, identity, simplify = FALSE)),
  gamma = unname(apply(confint(glm(g ~ x, Gamma("log"), D)), 1, identity, simplify = FALSE))))
cat(toJSON(out, digits = I(17), auto_unbox = TRUE, pretty = TRUE), "\n")

# Negative binomial with log mean and log theta linear. Rscript theta_formula.R > theta_formula.json, in this folder.
# Newton's method with analytic derivatives (checked by numDeriv) until nothing moves; glmmTMB as a second source.
suppressPackageStartupMessages({library(jsonlite); library(numDeriv); library(glmmTMB)})
quine <- read.csv("../data/quine.csv", stringsAsFactors = TRUE)
nb <- read.csv("../data/nb_sim.csv")
joint <- function(mean, theta, data, w = rep(1, nrow(data))) {
  mf <- model.frame(mean, data); y <- model.response(mf); o <- model.offset(mf); if (is.null(o)) o <- 0 * y
  X <- model.matrix(mean, data); tf <- model.frame(theta, data); Z <- model.matrix(theta, data)
  u <- model.offset(tf); if (is.null(u)) u <- 0 * y
  p <- ncol(X); q <- ncol(Z)
  at <- function(b) list(mu = exp(drop(X %*% b[1:p]) + o), t = exp(drop(Z %*% b[p + 1:q]) + u))
  loglik <- function(b) { e <- at(b); sum(w * dnbinom(y, size = e$t, mu = e$mu, log = TRUE)) }
  rows <- function(b) { e <- at(b); mu <- e$mu; t <- e$t
    g1 <- (y - mu) * t / (t + mu); d <- digamma(y + t) - digamma(t) + log(t / (t + mu)) + (mu - y) / (t + mu)
    h11 <- t * mu * (t + y) / (t + mu)^2; h12 <- -(y - mu) * t * mu / (t + mu)^2
    dd <- trigamma(y + t) - trigamma(t) + 1 / t - 1 / (t + mu) - (mu - y) / (t + mu)^2
    list(U = cbind(w * g1 * X, w * t * d * Z), h11 = w * h11, h12 = w * h12, h22 = w * (-t^2 * dd - t * d)) }
  hess <- function(r) rbind(cbind(crossprod(X, r$h11 * X), crossprod(X, r$h12 * Z)), cbind(crossprod(Z, r$h12 * X), crossprod(Z, r$h22 * Z)))
  start <- c({ data$w_ <- w; environment(mean) <- environment(); coef(glm(mean, poisson, data, weights = w_)) }, 0.5, rep(0, q - 1))
  b <- optim(start, function(b) -loglik(b), method = "BFGS", control = list(maxit = 1000))$par
  for (k in 1:30) { r <- rows(b); b <- b + solve(hess(r), colSums(r$U)) }
  r <- rows(b); J <- hess(r)
  stopifnot(max(abs(grad(loglik, b) - colSums(r$U))) < 1e-5, max(abs(hessian(loglik, b) + J)) < 1e-3)
  # expected information of log theta: the sum over P(Y > j) / (theta + j)^2
  e <- at(b)
  I <- mapply(function(mu, t) { j <- 0:qnbinom(1e-17, size = t, mu = mu, lower.tail = FALSE)
    t^2 * sum(pnbinom(j, size = t, mu = mu, lower.tail = FALSE) / (t + j)^2) - t * mu / (t + mu) }, e$mu, e$t)
  E <- rbind(cbind(crossprod(X, w * e$mu * e$t / (e$t + e$mu) * X), matrix(0, p, q)), cbind(matrix(0, q, p), crossprod(Z, w * I * Z)))
  B <- solve(E)
  tmb <- glmmTMB(mean, data, family = nbinom2, dispformula = theta, weights = w_)
  d <- 2 * (ifelse(y > 0, y * log(y / e$mu), 0) - (y + e$t) * log((y + e$t) / (e$mu + e$t)))
  list(coef = unname(b), names = c(colnames(X), colnames(Z)), loglik = loglik(b), aic = -2 * loglik(b) + 2 * (p + q),
    expected = unname(sqrt(diag(B))), observed = unname(sqrt(diag(solve(J)))), HC0 = unname(sqrt(diag(B %*% crossprod(r$U) %*% B))),
    opg = unname(sqrt(diag(solve(crossprod(r$U))))), deviance = sum(w * d), mean = unname(head(e$mu, 3)), theta = unname(head(e$t, 3)),
    glmmTMB = list(coef = unname(c(fixef(tmb)$cond, fixef(tmb)$disp)), loglik = as.numeric(logLik(tmb)), std_error = unname(sqrt(diag(vcov(tmb, full = TRUE))))))
}
nb$v <- (seq_len(nrow(nb)) %% 3) + 1
out <- list(
  quine = joint(Days ~ Eth + Sex + Lrn, ~ Age, quine),
  nb_sim = joint(y ~ x + offset(log(t)), ~ x, nb),
  offset = joint(y ~ x + offset(log(t)), ~ x + offset(0.3 * log(t)), nb),
  weights = joint(y ~ x, ~ x, nb, w = nb$v))
small <- joint(Days ~ Eth + Sex + Lrn, ~ 1, quine)
out$quine$lr <- 2 * (out$quine$loglik - small$loglik)
cat(toJSON(out, digits = I(17), auto_unbox = TRUE, pretty = TRUE))

# Negative binomial fits with estimated theta. Rscript negbin.R > negbin.json, in this folder.
# glm.nb stops early: glm and theta.ml (moments: theta.mm) take turns here until nothing moves.
# Data D is tests/unit/data/features_check_data.csv; quine and nb_sim in ../data.
suppressPackageStartupMessages({library(jsonlite); library(MASS); library(sandwich); library(numDeriv)})
options(warn = -1)
D <- read.csv("../../unit/data/features_check_data.csv", stringsAsFactors = TRUE)
D$k <- rep(c(1, 2, 1, 3), 10)
Q <- read.csv("../data/quine.csv", stringsAsFactors = TRUE)
Q$v <- round(0.5 + (seq_len(nrow(Q)) %% 5) / 4, 2)
S <- read.csv("../data/nb_sim.csv")
C <- glm.control(epsilon = 1e-30, maxit = 40)
ml <- function(y, mu, w, start) {        # theta.ml, to the last digit
  score <- function(t) sum(w * (digamma(t + y) - digamma(t) + log(t) + 1 - log(t + mu) - (y + t) / (mu + t)))
  info <- function(t) sum(w * (-trigamma(t + y) + trigamma(t) - 1 / t + 2 / (mu + t) - (y + t) / (mu + t)^2))
  t <- start
  for (i in 1:100) { step <- score(t) / info(t); t <- t + step; if (abs(step) < 1e-15 * t) break }
  list(value = t, se = 1 / sqrt(info(t)))
}
mm <- function(y, mu, w, start, df) {    # theta.mm, to the last digit
  t <- start
  for (i in 1:100) { del <- (sum(w * (y - mu)^2 / (mu + mu^2 / t)) - df) / sum(w * (y - mu)^2 / (mu + t)^2); t <- t - del; if (abs(del) < 1e-15 * t) break }
  list(value = t, se = NA)
}
turns <- function(formula, data, link = "log", w = rep(1, nrow(data)), moments = FALSE) {
  start <- if (link == "log") NULL else coef(lm(update(formula, if (link == "sqrt") sqrt(.) ~ . else . ~ .), data))
  data$w_ <- w; t <- list(value = 1); environment(formula) <- environment(); last <- 0
  for (i in 1:60) {
    f <- glm(formula, eval(bquote(negative.binomial(.(t$value), link = .(link)))), data, weights = w_, start = start, control = C); start <- coef(f)
    t <- if (moments) mm(f$y, fitted(f), w, t$value, df.residual(f)) else ml(f$y, fitted(f), w, t$value)
    if (i > 20 && abs(t$value / last - 1) < 1e-15) break   # each glm goes one step on
    last <- t$value
  }
  list(fit = f, theta = t)
}
loglik <- function(r, w) { f <- r$fit; sum(w * dnbinom(f$y, size = r$theta$value, mu = fitted(f), log = TRUE)) }
told <- function(r, w = rep(1, length(r$fit$y))) {
  f <- r$fit; s <- summary(f, dispersion = 1)
  list(coef = unname(coef(f)), se = unname(coef(s)[, 2]), theta = r$theta$value, theta_se = r$theta$se, loglik = loglik(r, w),
    deviance = deviance(f), null_deviance = f$null.deviance, pearson = sum(residuals(f, "pearson")^2),
    HC0 = unname(sqrt(diag(sandwich(f)))))
}
quine <- turns(Days ~ Eth + Sex + Age + Lrn, Q); small <- turns(Days ~ Eth + Age, Q)
held <- glm.nb(Days ~ Eth + Sex + Age + Lrn, Q, control = C); held$theta <- quine$theta$value
weighted <- turns(Days ~ Eth + Age, Q, w = Q$v)
repeated <- turns(y ~ x + f, D[rep(seq_len(nrow(D)), D$k), ])
joint <- function(X, y, offset, r) {     # standard errors by the joint observed information of (beta, log theta)
  p <- ncol(X); at <- c(coef(r$fit), log(r$theta$value))
  l <- function(b) -sum(dnbinom(y, size = exp(b[p + 1]), mu = exp(X %*% b[1:p] + offset), log = TRUE))
  unname(sqrt(diag(solve(hessian(l, at, method.args = list(r = 6))))))
}
sim <- turns(y ~ x + offset(log(t)), S)
ends <- function(r, level = .95) {       # profile interval of theta
  f <- r$fit; best <- loglik(r, rep(1, length(f$y)))
  X <- model.matrix(f); o <- if (is.null(f$offset)) rep(0, nrow(X)) else f$offset
  g <- function(u) { h <- glm.fit(X, f$y, offset = o, family = eval(bquote(negative.binomial(.(exp(u))))), control = C)
    2 * (best - sum(dnbinom(f$y, size = exp(u), mu = fitted(h), log = TRUE))) - qchisq(level, 1) }
  m <- log(r$theta$value)
  exp(c(uniroot(g, c(m - 3, m), tol = 1e-13)$root, uniroot(g, c(m, m + 3), tol = 1e-13)$root))
}
poisson <- glm(Days ~ Eth + Sex + Age + Lrn, poisson, Q, control = C)
by_given <- anova(glm(Days ~ Eth + Age, negative.binomial(quine$theta$value), Q, control = C),
                  glm(Days ~ Eth + Sex + Age + Lrn, negative.binomial(quine$theta$value), Q, control = C))
out <- list(quine = told(quine), small = told(small), weighted = told(weighted, Q$v), repeated = told(repeated),
  sqrt = told(turns(Days ~ Eth + Age, Q, "sqrt")), identity = told(turns(Days ~ Eth + Age, Q, "identity")), sim = told(sim),
  moments = told(turns(Days ~ Eth + Sex + Age + Lrn, Q, moments = TRUE)),
  moments_weighted = told(turns(Days ~ Eth + Age, Q, w = Q$v, moments = TRUE), Q$v),
  joint_sim = joint(model.matrix(~ x, S), S$y, log(S$t), sim),
  joint_quine = joint(model.matrix(~ Eth + Sex + Age + Lrn, Q), Q$Days, 0, quine),
  profile_theta = list(quine = ends(quine), sim = ends(sim)),
  lr = 2 * (loglik(quine, 1) - loglik(small, 1)), lr_given_theta = by_given$Deviance[2],
  poisson_lr = 2 * (loglik(quine, 1) - as.numeric(logLik(poisson))))
cat(toJSON(out, digits = NA, auto_unbox = TRUE, pretty = TRUE, na = "null"), "\n")

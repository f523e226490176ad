# Multiply imputed data: Rubin's rules and D1, D2, D3 tests by mice and mitml.
# Rscript pool.R > pool.json, in this folder; writes the imputed rows to pool.csv.
suppressMessages({library(jsonlite); library(mice); library(mitml); library(sandwich)})
set.seed(11); n <- 80
D <- data.frame(x = rnorm(n), z = rnorm(n), f = factor(sample(c("a", "b", "c"), n, TRUE)))
D$y <- rpois(n, exp(0.4 + 0.5 * D$x - 0.3 * D$z + 0.4 * (D$f == "b")))
D$g <- 1 + D$x + 0.5 * (D$f == "c") + rnorm(n)
D$b <- rbinom(n, 1, plogis(0.3 + D$x - 0.5 * D$z))
M <- D
M$x[runif(n) < plogis(-1 + 0.5 * D$z)] <- NA
M$z[runif(n) < 0.15] <- NA
M$f[runif(n) < 0.2] <- NA
m <- 5
imp <- mice(M, m = m, maxit = 10, seed = 3, printFlag = FALSE)
sets <- lapply(seq_len(m), function(i) complete(imp, i))
write.csv(do.call(rbind, Map(function(d, i) cbind(imputation = i, d), sets, seq_len(m))), "pool.csv", row.names = FALSE)
sets <- lapply(split(read.csv("pool.csv", stringsAsFactors = TRUE), rep(seq_len(m), each = n)), function(d) d)
tight <- glm.control(epsilon = 1e-14, maxit = 100)
fits <- function(formula, family) lapply(sets, function(d) {   # again and again: R stops by the deviance, and its
  start <- NULL                                                # weights are those of the step before the last
  for (again in 1:12) {
    fit <- eval(bquote(glm(.(formula), .(family), d, control = tight, start = .(start))))
    start <- unname(coef(fit))
  }
  fit
})
rubin <- function(fits, dfcom = NULL) {
  s <- summary(pool(as.mira(fits), dfcom = dfcom), conf.int = TRUE); p <- pool(as.mira(fits), dfcom = dfcom)$pooled
  list(estimate = s$estimate, std_error = s$std.error, df = s$df, p_value = s$p.value, low = s[["2.5 %"]],
       high = s[["97.5 %"]], riv = p$riv, lambda = p$lambda, fmi = p$fmi)
}
tests <- function(full, null, D3 = NULL) {
  one <- function(...) as.vector(testModels(full, null, ...)$test)   # F, df, df2, p, riv
  list(D1 = one(method = "D1"), D1_reiter = one(method = "D1", df.com = df.residual(full[[1]])), D2 = one(method = "D2"), D3 = D3)
}
by_hand <- function(full, null, loglik) {   # Meng & Rubin (1992)
  k <- length(coef(full[[1]])) - length(coef(null[[1]]))
  mean_coef <- function(f) rowMeans(sapply(f, coef))
  at <- function(f, b) mapply(function(one, d) loglik(d, exp(drop(model.matrix(one) %*% b))), f, sets)
  own <- mean(2 * (sapply(full, logLik) - sapply(null, logLik)))
  pooled <- mean(2 * (at(full, mean_coef(full)) - at(null, mean_coef(null))))
  r <- (m + 1) / (k * (m - 1)) * (own - pooled); t <- k * (m - 1); F <- pooled / (k * (1 + r))
  v <- if (t > 4) 4 + (t - 4) * (1 + (1 - 2 / t) / r)^2 else t * (1 + 1 / k) * (1 + 1 / r)^2 / 2
  c(F, k, v, pf(F, k, v, lower.tail = FALSE), r)
}
count <- function(d, mu) sum(dpois(d$y, mu, log = TRUE))
P <- fits(quote(y ~ x + z + f), quote(poisson)); P0 <- fits(quote(y ~ x + z), quote(poisson)); P1 <- fits(quote(y ~ f), quote(poisson))
G <- fits(quote(g ~ x + f), quote(gaussian)); B <- fits(quote(b ~ x + z), quote(binomial)); B0 <- fits(quote(b ~ 1), quote(binomial))
L <- lapply(sets, function(d) lm(g ~ x + f, d)); L0 <- lapply(sets, function(d) lm(g ~ x, d))
Q <- fits(quote(g^2 + 0.1 ~ x + f), quote(Gamma(log)))
hc <- lapply(1:4 + 0, function(j) { s <- pool.scalar(sapply(P, function(f) coef(f)[j]), sapply(P, function(f) vcovHC(f, "HC3")[j, j]), n = n, k = 5)
  c(s$qbar, s$t, s$df, s$r, s$fmi) })
cat(toJSON(list(
  poisson = rubin(P), poisson_large = rubin(P, Inf), gaussian = rubin(G), binomial = rubin(B), gamma = rubin(Q), hc3 = hc,
  vcov = vcov(testEstimates(P)),
  tests = list(f = tests(P, P0, by_hand(P, P0, count)), xz = tests(P, P1, by_hand(P, P1, count)),
               gaussian = tests(L, L0, as.vector(testModels(L, L0, method = "D3")$test)), binomial = tests(B, B0))
), digits = NA, auto_unbox = TRUE))

# Tests of overdispersion: AER's dispersiontest, and the statistics of Dean (1992) and Tarone (1979) by their formulas.
# Rscript overdispersion.R > overdispersion.json, in this folder.
suppressMessages({library(jsonlite); library(AER)})
D <- read.csv("../../unit/data/features_check_data.csv", stringsAsFactors = TRUE)
tight <- glm.control(epsilon = 1e-15, maxit = 100)
set.seed(5); n <- 120
S <- data.frame(x = rnorm(n), t = runif(n, 1, 4), n = sample(2:15, n, TRUE))
S$y <- rnbinom(n, 3, mu = S$t * exp(0.3 + 0.5 * S$x)); S$s <- rbinom(n, S$n, rbeta(n, 4, 5))
aer <- function(fit) list(
  nb1 = unlist(dispersiontest(fit)[c("statistic", "p.value", "estimate")]),
  nb2 = unlist(dispersiontest(fit, trafo = 2)[c("statistic", "p.value", "estimate")]),
  two = unlist(dispersiontest(fit, alternative = "two.sided")["p.value"]), less = unlist(dispersiontest(fit, alternative = "less")["p.value"]))
dean <- function(fit) {   # P'_B and P'_C
  y <- fit$y; m <- fitted(fit); h <- hatvalues(fit); T <- (y - m)^2 - y + h * m
  list(pb = sum(T) / sqrt(2 * sum(m^2)), pc = sum(T / m) / sqrt(2 * length(y)), alpha = sum(T) / sum(m^2), phi = 1 + mean(T / m))
}
counts <- function(formula, data) { fit <- glm(formula, poisson, data, control = tight)
  c(aer(fit), dean(fit), list(pearson = sum(residuals(fit, "pearson")^2), deviance = deviance(fit))) }
fit <- glm(cbind(s, n - s) ~ x, binomial, S, control = tight); p <- fitted(fit); h <- hatvalues(fit)
T <- with(S, s * (s - 1) / p + (n - s) * (n - s - 1) / (1 - p) - n * (n - 1)) + h * (S$n - 1)
one <- glm(cbind(s, n - s) ~ 1, binomial, S, control = tight); q <- fitted(one)[1]
tarone <- with(S, (sum((s - n * q)^2 / (q * (1 - q))) - sum(n)) / sqrt(2 * sum(n * (n - 1))))
cat(toJSON(list(
  rows = as.list(S), small = counts(y ~ x + f, D), offset = counts(y ~ x + offset(log(t)), S),
  binomial = list(beta = sum(T) / sqrt(2 * sum(S$n * (S$n - 1))), rho = sum(T) / sum(S$n * (S$n - 1)),
                  factor = sum(T / (S$n - 1)) / sqrt(2 * sum(S$n / (S$n - 1)))),
  tarone = tarone
), digits = NA, auto_unbox = TRUE))

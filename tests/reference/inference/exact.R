# Exact tests and intervals: fisher.test, binom.test, poisson.test, clogit, and Blyth-Still-Casella intervals.
# Rscript exact.R > exact.json, in this folder. Needs BlythStillCasellaCI of github.com/pwustat; ends of odds ratios, which
# fisher.test finds to four digits only, are found again here from its p-values.
suppressMessages({library(jsonlite); library(survival); library(BlythStillCasellaCI)})
sides <- c("two.sided", "less", "greater")
tight <- function(f, at) uniroot(f, at * c(0.5, 2), tol = 1e-14)$root
fisher <- function(table) {
  found <- fisher.test(table)
  end <- function(alternative, at) {
    if (at == 0 || is.infinite(at)) return(as.character(at))
    tight(function(or) fisher.test(table, or = or, alternative = alternative)$p.value - 0.025, at)
  }
  list(table = table, p = sapply(sides, function(s) fisher.test(table, alternative = s)$p.value),
    estimate = as.character(found$estimate), low = end("greater", found$conf.int[1]), high = end("less", found$conf.int[2]))
}
binomial <- function(x, n, p) list(x = x, n = n, null = p,
  p = sapply(sides, function(s) binom.test(x, n, p, s)$p.value),
  ci = sapply(sides, function(s) as.numeric(binom.test(x, n, p, s, conf.level = 0.9)$conf.int)))
poisson <- function(x, t, r) list(x = x, t = t, null = r,
  p = sapply(sides, function(s) poisson.test(x, t, r, s)$p.value),
  ci = sapply(sides, function(s) as.character(poisson.test(x, t, r, s)$conf.int)))
rates <- function(x, t) { found <- poisson.test(x, t); list(x = x, t = t, p = found$p.value, ci = as.character(found$conf.int),
  p_less = poisson.test(x, t, alternative = "less")$p.value) }
set.seed(8)
x <- round(rnorm(18), 1); y <- rbinom(18, 1, plogis(x))
one <- clogit(y ~ x, method = "exact")
groups <- matrix(c(3, 0, 4, 2, 1, 5), 2)   # Fisher-Freeman-Halton
still <- list()
for (n in c(1, 2, 5, 8, 10, 13, 20, 30)) for (alpha in c(0.01, 0.05, 0.1))
  still[[length(still) + 1]] <- list(n = n, level = 1 - alpha, ci = unclass(blyth.still.casella(n, alpha = alpha, digits = 6)))
cat(toJSON(list(
  fisher = list(fisher(matrix(c(3, 1, 1, 3), 2)), fisher(matrix(c(10, 2, 3, 15), 2)), fisher(matrix(c(7, 0, 2, 9), 2)),
    fisher(matrix(c(0, 5, 0, 8), 2)), fisher(matrix(c(1, 20, 5, 14), 2))),
  binomial = list(binomial(3, 10, 0.5), binomial(0, 7, 0.2), binomial(12, 12, 0.7), binomial(18, 61, 0.4)),
  poisson = list(poisson(7, 3.5, 1), poisson(0, 2, 1.3), poisson(3, 1, 6.2), poisson(137, 24.19893, 5)),
  rates = list(rates(c(9, 3), c(1.5, 2)), rates(c(11, 23), c(800, 3011)), rates(c(0, 4), c(1, 1))),
  freeman = list(table = groups, p = fisher.test(groups)$p.value),
  clogit = list(x = x, y = y, coef = unname(coef(one)), score = unname(summary(one)$sctest[1])),
  blyth_still = still
), digits = NA, auto_unbox = TRUE))

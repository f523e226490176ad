# survey.R - sampling designs by R's survey. Run from this folder: Rscript survey.R
# R 4.2.2, survey 4.1-1. `vcov` is the lower triangle by columns; `data` is simulated here.
suppressPackageStartupMessages({library(survey); library(jsonlite)})
low <- function(V) { V <- unclass(as.matrix(V)); V[lower.tri(V, diag = TRUE)] }
exact <- glm.control(epsilon = 1e-30, maxit = 60)
options(warn = -1)
set.seed(30)
units <- c(north = 4, south = 6, east = 3, west = 5); size <- c(north = 20, south = 30, east = 12, west = 5)  # all units of the west are sampled
rows <- do.call(rbind, lapply(names(units), function(h) do.call(rbind, lapply(seq_len(units[h]), function(j) {
  m <- sample(4:9, 1); shock <- rnorm(1, sd = 0.4)
  data.frame(stratum = h, number = j, shock = shock, size = size[[h]], weight = round(size[[h]] / units[h] * runif(m, 2, 9), 3)) }))))
n <- nrow(rows); rows$x <- round(rnorm(n) + rows$shock, 3); rows$f <- sample(c("a", "b"), n, TRUE); rows$t <- round(runif(n, 0.5, 3), 3)
eta <- 0.4 + 0.3 * rows$x + 0.3 * (rows$f == "b") + rows$shock
P <- data.frame(rows[, c("stratum", "number", "size", "weight", "x", "f", "t")], unit = paste0(substr(rows$stratum, 1, 1), rows$number), share = unname(units[rows$stratum]) / rows$size,
                y = rpois(n, rows$t * exp(eta)), g = round(rgamma(n, 2, 2 / exp(eta)) + 1e-3, 4), b = as.numeric(runif(n) < plogis(eta)), rows_in_population = 400 * rows$size)
P$rows_share <- ave(P$x, P$stratum, FUN = length) / P$rows_in_population

designs <- list(
  weights = svydesign(~1, weights = ~weight, data = P),
  units = svydesign(~unit, weights = ~weight, data = P),
  strata = svydesign(~1, strata = ~stratum, weights = ~weight, data = P),
  strata_units = svydesign(~unit, strata = ~stratum, weights = ~weight, data = P),
  numbered = svydesign(~number, strata = ~stratum, weights = ~weight, data = P, nest = TRUE),
  population = svydesign(~unit, strata = ~stratum, weights = ~weight, fpc = ~size, data = P),
  share = svydesign(~unit, strata = ~stratum, weights = ~weight, fpc = ~share, data = P),
  rows_population = svydesign(~1, strata = ~stratum, weights = ~weight, fpc = ~rows_in_population, data = P),
  equal = svydesign(~unit, strata = ~stratum, weights = rep(1, n), data = P))
models <- list(
  poisson = list(y ~ x + f + offset(log(t)), quasipoisson), binomial = list(b ~ x + f, quasibinomial), gaussian = list(g ~ x * f, gaussian),
  gamma = list(g ~ x, Gamma("log")), probit = list(b ~ x, quasibinomial("probit")))
one <- function(model, design) { fit <- svyglm(model[[1]], design = design, family = model[[2]], control = exact)
  list(coef = unname(coef(fit)), vcov = low(vcov(fit)), df = degf(design)) }
results <- lapply(designs, function(design) lapply(models, one, design))
stopifnot(inherits(try(svyglm(y ~ x, svydesign(~unit, strata = ~stratum, weights = ~weight, data = P[P$stratum != "east" | P$number == 1, ])), silent = TRUE), "try-error"))
single <- P[P$stratum != "west" | P$number == 1, ]; single$size[single$stratum == "west"] <- 1  # its population is one unit: sampled with certainty
certain <- one(models$poisson, svydesign(~unit, strata = ~stratum, weights = ~weight, fpc = ~size, data = single))
write_json(list(data = P, vcov = results, certain = certain), "survey.json", digits = I(17), auto_unbox = TRUE, dataframe = "columns")

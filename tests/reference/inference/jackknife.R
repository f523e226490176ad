# jackknife.R - covariances from fits that leave out one row or cluster, refitted by R's glm. Run from this folder: Rscript jackknife.R
# R 4.2.2. `vcov` is the lower triangle by columns: (G - 1) / G times the sum of squares about the mean, as sandwich >= 3.1, vcovJK.
suppressPackageStartupMessages(library(jsonlite))
options(warn = -1)  # 60 steps never meet 1e-30
data_of <- function(name) read.csv(file.path("..", "data", paste0(name, ".csv")))
exact <- glm.control(epsilon = 1e-30, maxit = 60)
D <- read.csv(file.path("..", "..", "unit", "data", "features_check_data.csv"))
sleep <- data_of("sleepstudy"); cbpp <- data_of("cbpp"); D$n <- rep(c(1, 3, 2, 0), 10)
expanded <- D[rep(seq_len(nrow(D)), D$n), ]

leave_out <- function(data, unit, fit) { b <- t(sapply(unique(unit), function(u) coef(fit(data[unit != u, ]))))
  G <- nrow(b); V <- (G - 1) / G * crossprod(sweep(b, 2, colMeans(b)))
  list(count = G, vcov = V[lower.tri(V, diag = TRUE)], replicates = b[1:3, ]) }
rows <- function(data) seq_len(nrow(data))

cases <- list(
  poisson = leave_out(D, rows(D), function(d) glm(y ~ x + f + offset(log(t)), poisson, d, control = exact)),
  gamma_weights = leave_out(D, rows(D), function(d) glm(g ~ x + f, Gamma("log"), d, weights = w, control = exact)),
  counted = leave_out(expanded, rows(expanded), function(d) glm(y ~ x + f, poisson, d, control = exact)),
  binomial_clusters = leave_out(cbpp, cbpp$herd, function(d) glm(cbind(incidence, size - incidence) ~ period, binomial, d, control = exact)),
  gaussian_clusters = leave_out(sleep, sleep$Subject, function(d) lm(Reaction ~ Days, d)))
write_json(cases, "jackknife.json", digits = I(17), auto_unbox = TRUE, pretty = TRUE)

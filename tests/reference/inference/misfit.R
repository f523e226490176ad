# Score tests of added columns: RESET and squares with cross products, by the model and robust.
# Run from this folder: Rscript misfit.R. Writes misfit.json. R 4.2.2; lmtest, jsonlite.
suppressPackageStartupMessages({library(lmtest); library(jsonlite)})

again <- function(...) {  # glm() stops on the deviance: restart until the coefficients stand still
  run <- function(...) suppressWarnings(do.call(glm, list(...)))
  fit <- run(..., control = glm.control(epsilon = 1e-14, maxit = 100))
  for (k in 1:30) { old <- coef(fit); fit <- run(..., start = old, control = glm.control(epsilon = 1e-300, maxit = 3))
    if (max(abs(coef(fit) - old) / sqrt(diag(vcov(fit)))) < 1e-14) break }
  fit
}
centred <- function(v, a) { v <- v - sum(a * v) / sum(a); v / sqrt(sum(a * v^2) / sum(a)) }
rao <- function(fit, G) {  # anova(test = "Rao") of the model with the columns of G, for dispersion 1
  data <- fit$data; data$G <- G; data$a <- fit$prior.weights
  large <- suppressWarnings(glm(update(formula(fit), . ~ . + G), fit$family, data, weights = a))
  table <- anova(fit, large, test = "Rao")
  list(df = table$Df[2], statistic = table$Rao[2])
}
robust <- function(fit, G, cluster = NULL) {  # Boos (1992)
  X <- cbind(model.matrix(fit), G); i <- seq_along(coef(fit)); k <- seq(length(i) + 1, ncol(X))
  U <- X * (fit$weights * fit$residuals); J <- crossprod(X * sqrt(fit$weights))
  C <- cbind(-J[k, i, drop = FALSE] %*% solve(J[i, i]), diag(length(k))); u <- C %*% colSums(U)
  S <- if (is.null(cluster)) U else rowsum(U, cluster)
  s <- drop(t(u) %*% solve(C %*% crossprod(S) %*% t(C), u))
  list(df = length(k), statistic = s, p = pchisq(s, length(k), lower.tail = FALSE))
}
both <- function(fit, z, a = rep(1, nrow(fit$data)), cluster = NULL) {
  e <- centred(predict(fit), a); Z <- sapply(z, function(name) centred(fit$data[[name]], a))
  pairs <- which(upper.tri(diag(length(z)), diag = TRUE), arr.ind = TRUE)
  sets <- list(RESET = cbind(e^2, e^3), quadratic = Z[, pairs[, 1], drop = FALSE] * Z[, pairs[, 2], drop = FALSE])
  lapply(sets, function(G) c(rao = list(rao(fit, G)), HC0 = list(robust(fit, G)), if (!is.null(cluster)) list(CR0 = robust(fit, G, cluster))))
}
read <- function(name) read.csv(paste0("../data/", name, ".csv"))
out <- list()

cars <- read("mtcars"); fit <- lm(mpg ~ wt + hp + qsec, cars); test <- resettest(fit, power = 2:3, type = "fitted")
squares <- update(fit, . ~ . + I(wt^2) + I(hp^2) + I(qsec^2) + wt:hp + wt:qsec + hp:qsec); F <- anova(fit, squares)
out$mtcars <- list(RESET = list(F = unname(test$statistic), df = unname(test$parameter), p = unname(test$p.value)),
  quadratic = list(F = F$F[2], df = c(F$Df[2], F$Res.Df[2]), p = F[["Pr(>F)"]][2]))

affairs <- read("Affairs")
out$affairs <- both(again(affairs ~ age + yearsmarried + rating, poisson, data = affairs), c("age", "yearsmarried", "rating"))

infert <- read("infert")
out$infert <- both(again(case ~ age + parity + spontaneous, binomial("probit"), data = infert), c("age", "parity"), cluster = infert$stratum)

counts <- read("nb_sim")
out$offset <- both(again(y ~ x + offset(log(t)), poisson, data = counts), "x")

costs <- read("Insurance"); costs <- costs[costs$Claims > 0, ]; costs$cost <- costs$Claims / costs$Holders; costs$d <- costs$District
out$weights <- both(again(cost ~ d + I(Claims / 100), Gamma("log"), data = costs, weights = costs$Holders), "d", a = costs$Holders)

write_json(out, "misfit.json", digits = I(17), auto_unbox = TRUE, pretty = TRUE, na = "null")

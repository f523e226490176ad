# Tests of hypotheses: Wald, likelihood ratio, score, delta method, Fieller, Rao-Scott, adjusted p-values.
# Run from this folder: Rscript hypothesis.R. Writes hypothesis.json, and hypothesis_survey.csv (simulated).
# R 4.2.2; car, lmtest, multcomp, sandwich, survey, jsonlite.
suppressPackageStartupMessages({library(car); library(lmtest); library(multcomp); library(sandwich); library(survey); library(jsonlite)})

again <- function(...) {  # glm() stops on the deviance: restart until the coefficients stand still
  run <- function(...) suppressWarnings(do.call(glm, list(...)))
  fit <- run(..., control = glm.control(epsilon = 1e-14, maxit = 100))
  for (k in 1:30) { old <- coef(fit); fit <- run(..., start = old, control = glm.control(epsilon = 1e-300, maxit = 3))
    if (max(abs(coef(fit) - old) / sqrt(diag(vcov(fit)))) < 1e-14) break }
  fit
}
numbers <- function(x) as.list(unclass(x))
wald <- function(fit, text, rhs = NULL, V = vcov(fit)) { h <- linearHypothesis(fit, text, rhs, vcov. = V, test = "Chisq"); list(df = h$Df[2], statistic = h$Chisq[2], p = h[["Pr(>Chisq)"]][2]) }
wald_F <- function(fit, text, V = vcov(fit)) { h <- linearHypothesis(fit, text, vcov. = V, test = "F"); list(df = h$Df[2], statistic = h$F[2], p = h[["Pr(>F)"]][2]) }
both <- function(small, big, F = FALSE) {
  lr <- anova(small, big, test = if (F) "F" else "LRT"); rao <- anova(small, big, test = "Rao"); phi <- summary(big)$dispersion
  list(df = lr$Df[2], lr = if (F) lr$F[2] else lr$Deviance[2], lr_p = lr[[if (F) "Pr(>F)" else "Pr(>Chi)"]][2], score = rao$Rao[2] / phi, score_p = rao[["Pr(>Chi)"]][2])
}
robust_score <- function(small, X, type = "HC0", cluster = NULL) {  # Boos (1992), columns of X beyond those of the small model's
  w <- small$weights; r <- small$residuals; U <- X * (w * r); J <- crossprod(X * sqrt(w))
  m <- length(coef(small)); i <- seq_len(m); k <- seq(m + 1, ncol(X))
  C <- cbind(-J[k, i, drop = FALSE] %*% solve(J[i, i]), diag(length(k))); u <- C %*% colSums(U)
  S <- if (is.null(cluster)) U else rowsum(U, cluster)
  s <- drop(t(u) %*% solve(C %*% crossprod(S) %*% t(C), u)); list(df = length(k), statistic = s, p = pchisq(s, length(k), lower.tail = FALSE))
}
delta <- function(fit, text, names, V = vcov(fit)) { d <- deltaMethod(fit, text, vcov. = V, parameterNames = names); list(estimate = d$Estimate, std_error = d$SE) }
fieller <- function(fit, a, b, q, V = vcov(fit)) {
  e <- c(sum(a * coef(fit)), sum(b * coef(fit))); A <- rbind(a, b); S <- A %*% V %*% t(A)
  p <- c(e[2]^2 - q^2 * S[2, 2], -2 * (e[1] * e[2] - q^2 * S[1, 2]), e[1]^2 - q^2 * S[1, 1]); D <- p[2]^2 - 4 * p[1] * p[3]
  list(estimate = e[1] / e[2], quadratic = p, discriminant = D, roots = if (D >= 0) sort((-p[2] + c(-1, 1) * sqrt(D)) / (2 * p[1])) else NULL)
}
out <- list()

# ---- D: y ~ x + f, Poisson, R's and features' numbers
D <- read.csv("../../unit/data/features_check_data.csv"); D$f <- factor(D$f)
big <- again(y ~ x + f, poisson, data = D); no_f <- again(y ~ x, poisson, data = D); no_x <- again(y ~ f + offset(0.5 * x), poisson, data = D)
none <- again(y ~ 1 + offset(0.5 * x), poisson, data = D)
equal <- again(y ~ I(x + (f == "b")), poisson, data = D)
out$poisson <- list(
  f = c(both(no_f, big), wald = list(wald(big, "fb = 0")), HC0 = list(wald(big, "fb = 0", V = vcovHC(big, "HC0"))), HC3 = list(wald(big, "fb = 0", V = vcovHC(big, "HC3"))),
    robust_score = list(robust_score(no_f, model.matrix(big)))),
  x_half = c(both(no_x, big), wald = list(wald(big, "x = 0.5")), robust_score = list(robust_score(no_x, model.matrix(big)[, c(1, 3, 2)]))),
  joint = c(both(none, big), wald = list(wald(big, c("x = 0.5", "fb = 0"))), HC0 = list(wald(big, c("x = 0.5", "fb = 0"), V = vcovHC(big, "HC0"))),
    robust_score = list(robust_score(none, model.matrix(big))),
    clusters = list(robust_score(none, model.matrix(big), cluster = rep(1:8, 5)))),
  equal = c(both(equal, big), wald = list(wald(big, "x = fb"))),
  combination = { h <- glht(big, linfct = rbind(c(0, 2, -1))); s <- summary(h, test = univariate())$test; list(estimate = unname(s$coefficients), std_error = unname(s$sigma), statistic = unname(s$tstat), p = as.numeric(s$pvalues)) },
  delta = list(`exp(x)` = delta(big, "exp(x)", c("a", "x", "fb")), `x/fb` = delta(big, "x/fb", c("a", "x", "fb")), `x*fb - 1` = delta(big, "x*fb - 1", c("a", "x", "fb")),
    `log(x)` = delta(big, "log(x)", c("a", "x", "fb")), `sqrt(x)` = delta(big, "sqrt(x)", c("a", "x", "fb")), `1/(1+exp(-(a+x)))` = delta(big, "1/(1+exp(-(a+x)))", c("a", "x", "fb")),
    `x^2` = delta(big, "x^2", c("a", "x", "fb")), `exp(x)^fb` = delta(big, "exp(x)^fb", c("a", "x", "fb")), HC3 = delta(big, "x/fb", c("a", "x", "fb"), vcovHC(big, "HC3"))),
  fieller = fieller(big, c(0, 1, 0), c(0, 0, 1), qnorm(0.975)), fieller_HC3 = fieller(big, c(0, 1, 0), c(0, 0, 1), qnorm(0.975), vcovHC(big, "HC3")),
  fieller_intercept = fieller(big, c(1, 0, 0), c(0, 1, 0), qnorm(0.975)))

# ---- D: g ~ x + f, gamma, log link: an estimated dispersion
big <- again(g ~ x + f, Gamma("log"), data = D); none <- again(g ~ 1 + offset(0.5 * x), Gamma("log"), data = D)
no_f <- again(g ~ x, Gamma("log"), data = D)
out$gamma <- list(
  joint = c(both(none, big, TRUE), wald_F = list(wald_F(big, c("x = 0.5", "fb = 0"))), HC0 = list(wald(big, c("x = 0.5", "fb = 0"), V = vcovHC(big, "HC0")))),
  f = c(both(no_f, big, TRUE), t = list(numbers(coeftest(big, df = df.residual(big))["fb", ]))),
  delta = list(`exp(x)` = delta(big, "exp(x)", c("a", "x", "fb"))), fieller = fieller(big, c(0, 1, 0), c(0, 0, 1), qt(0.975, df.residual(big))),
  fieller_x = fieller(big, c(0, 0, 1), c(0, 1, 0), qt(0.975, df.residual(big))), df_residual = df.residual(big),
  x_only = { m <- again(g ~ x, Gamma("log"), data = D); n <- again(g ~ 1, Gamma("log"), data = D); both(n, m, TRUE) })

# ---- birthwt, logit: a factor of three levels
B <- read.csv("../data/birthwt.csv"); B$race <- factor(B$race, levels = c("white", "black", "other"))
big <- again(low ~ age + lwt + race + smoke, binomial, data = B); merged <- again(low ~ age + lwt + I(race != "white") + smoke, binomial, data = B)
no_race <- again(low ~ age + lwt + smoke, binomial, data = B)
out$birthwt <- list(
  equal = c(both(merged, big), wald = list(wald(big, "raceblack = raceother"))),
  race = c(both(no_race, big), wald = list(wald(big, c("raceblack", "raceother"))), HC3 = list(wald(big, c("raceblack", "raceother"), V = vcovHC(big, "HC3"))),
    lrtest = list({ l <- lrtest(no_race, big); list(df = l$Df[2], statistic = l$Chisq[2], p = l[["Pr(>Chisq)"]][2]) }),
    waldtest = list({ l <- waldtest(no_race, big, test = "Chisq"); list(df = l$Df[2], statistic = l$Chisq[2], p = l[["Pr(>Chisq)"]][2]) })),
  three = wald(big, c("age = 0", "smoke = 1", "raceblack - raceother = 0.2")))

# ---- Rao-Scott with HC0, and adjusted p-values, on the same fit
lambda <- function(V0, V, i) eigen(solve(V0[i, i]) %*% V[i, i], only.values = TRUE)$values
V <- vcovHC(big, "HC0"); i <- c("raceblack", "raceother"); l <- lambda(vcov(big), V, i); x <- no_race$deviance - big$deviance
tr <- mean(l); tr2 <- mean(l^2) / tr^2
out$rao_scott_HC0 <- list(lambda = l, statistic = x / tr / tr2, df = 2 / tr2, p = pchisqsum(x, c(1, 1), l, lower.tail = FALSE, method = "satterthwaite"))

K <- rbind("race[T.black]" = c(0, 0, 0, 1, 0, 0), "race[T.other]" = c(0, 0, 0, 0, 1, 0), "race[T.black] - race[T.other]" = c(0, 0, 0, 1, -1, 0), smoke = c(0, 0, 0, 0, 0, 1), age = c(0, 1, 0, 0, 0, 0))
h <- glht(big, linfct = K); u <- summary(h, test = univariate())$test; p <- as.numeric(u$pvalues)
set.seed(1)
step <- function(h) as.numeric(summary(h, test = adjusted("single-step", maxpts = 1e6, abseps = 1e-6, releps = 0))$test$pvalues)
ci <- confint(h, calpha = adjusted_calpha(maxpts = 1e6, abseps = 1e-6))$confint
sidak <- 1 - (1 - p)^length(p)
out$many <- list(hypotheses = rownames(K), estimate = unname(u$coefficients), std_error = unname(u$sigma), statistic = unname(u$tstat),
  none = p, holm = p.adjust(p, "holm"), hochberg = p.adjust(p, "hochberg"), bonferroni = p.adjust(p, "bonferroni"), sidak = sidak, BH = p.adjust(p, "BH"), BY = p.adjust(p, "BY"),
  `single-step` = step(h), calpha = attr(ci, "calpha"), low = unname(ci[, 2]), high = unname(ci[, 3]),
  HC3 = { g <- glht(big, linfct = K, vcov. = vcovHC(big, "HC3")); list(p = step(g)) })

# ---- t: all pairs of tension, gaussian, singular correlation
W <- read.csv("../data/warpbreaks.csv"); W$tension <- factor(W$tension, levels = c("L", "M", "H")); W$wool <- factor(W$wool)
g <- lm(breaks ~ wool + tension, W)
K <- rbind("tension[T.M]" = c(0, 0, 1, 0), "tension[T.H]" = c(0, 0, 0, 1), "tension[T.H] - tension[T.M]" = c(0, 0, -1, 1))
h <- glht(g, linfct = K); ci <- confint(h, calpha = adjusted_calpha(maxpts = 1e6, abseps = 1e-6))$confint
out$pairs <- list(hypotheses = rownames(K), statistic = unname(summary(h)$test$tstat), p = step(h), calpha = attr(ci, "calpha"), low = unname(ci[, 2]), high = unname(ci[, 3]),
  tukey = { t <- abs(unname(summary(h)$test$tstat)); ptukey(t * sqrt(2), 3, df.residual(g), lower.tail = FALSE) }, q_tukey = qtukey(0.95, 3, df.residual(g)) / sqrt(2))

# ---- survey: simulated, weighted, clustered rows
set.seed(20); n <- 240; S <- data.frame(psu = rep(1:40, each = 6)); u <- rnorm(40, 0, 0.4)[S$psu]
S$x <- round(rnorm(n) + u, 6); S$f <- sample(c("a", "b", "c"), n, TRUE); S$w <- round(exp(rnorm(n, 1, 0.4)), 6)
S$y <- rpois(n, exp(0.3 + 0.2 * S$x + 0.2 * (S$f == "b") + u)); write.csv(S, "hypothesis_survey.csv", row.names = FALSE, quote = FALSE)
S$f <- factor(S$f); ctl <- glm.control(epsilon = 1e-14, maxit = 100)
side <- function(design) {
  fit <- svyglm(y ~ x + f, design, family = quasipoisson(), control = ctl)
  one <- function(a, ...) { r <- regTermTest(fit, ~ f, method = "LRT", lrt.approximation = a, ...); list(chisq = r$chisq, lambda = r$lambda, ddf = r$ddf, p = r$p) }
  w <- regTermTest(fit, ~ f); x1 <- regTermTest(fit, ~ x, method = "LRT", lrt.approximation = "satterthwaite")
  list(coef = numbers(coef(fit)), se = numbers(sqrt(diag(vcov(fit)))), satterthwaite = one("satterthwaite"), saddlepoint = one("saddlepoint"), chi = one("satterthwaite", df = Inf),
    wald = list(F = w$Ftest[1], df = w$df, ddf = w$ddf, p = w$p[1]), x = list(chisq = x1$chisq, lambda = x1$lambda, p = x1$p))
}
out$survey <- list(rows = side(svydesign(~1, weights = ~w, data = S)), psu = side(svydesign(~psu, weights = ~w, data = S)))
weighted <- again(y ~ x + f, quasipoisson, data = S, weights = S$w); small <- again(y ~ x, quasipoisson, data = S, weights = S$w)
i <- c("fb", "fc"); l <- lambda(summary(weighted)$cov.unscaled, vcovHC(weighted, "HC0"), i); x <- small$deviance - weighted$deviance; tr <- mean(l); tr2 <- mean(l^2) / tr^2
out$survey$HC0 <- list(lambda = l, statistic = x / tr / tr2, df = 2 / tr2, p = pchisqsum(x, c(1, 1), l, lower.tail = FALSE, method = "satterthwaite"), robust_score = robust_score(small, model.matrix(weighted)))

# ---- a log-binomial fit whose maximum lies on the boundary; its null model does not (data: E)
E <- data.frame(x = c(0, 0, 0, 1, 1, 2, 2, 3, 3, 3, 1, 0, 2, 1), b = c(0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 0, 0, 1, 0),
                z = c(3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7), f = rep(c("u", "v", "w"), c(5, 5, 4)))
null_score <- function(link) { m <- again(b ~ 1, binomial(link), data = E); X <- cbind(1, E$x); w <- m$weights; U <- crossprod(X, w * m$residuals)
  s <- drop(crossprod(U, solve(crossprod(X * sqrt(w)), U))); stopifnot(abs(s - statmod::glm.scoretest(m, E$x)^2) < 1e-8 * s); s }
out$boundary <- list(data = as.list(E), log = null_score("log"), identity = null_score("identity"))

# ---- quasi-separated: every row of f = w is a success; z is tested on the other rows
E$s <- ifelse(E$f == "w", 1, c(0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 0, 0, 0, 0)); out$boundary$data$s <- E$s
big <- again(s ~ x + z + f, binomial, data = E); left <- again(s ~ x + z + f, binomial, data = E[E$f != "w", ])
rao <- function(small, big) anova(small, big, test = "Rao")$Rao[2]
out$separated <- list(z = rao(again(s ~ x + f, binomial, data = E[E$f != "w", ]), left), xz = rao(again(s ~ f, binomial, data = E[E$f != "w", ]), left),
  f = rao(again(s ~ x + z, binomial, data = E), big), drop1_z = suppressWarnings(drop1(glm(s ~ x + z + f, binomial, E, control = glm.control(epsilon = 1e-14, maxit = 60)), test = "Rao"))["z", "Rao score"])

write_json(out, "hypothesis.json", digits = I(17), auto_unbox = TRUE, pretty = TRUE, na = "null")

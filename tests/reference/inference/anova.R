# Analysis of deviance, comparison of fits, drop1, add1 and step. Rscript anova.R > anova.json, in this folder.
# Data D is tests/unit/data/features_check_data.csv with a factor h = u, v, w, u, v, w, …; others in ../data.
suppressPackageStartupMessages({library(jsonlite); library(car); library(lmtest); library(sandwich)})
D <- read.csv("../../unit/data/features_check_data.csv", stringsAsFactors = TRUE)
D$h <- factor(rep(c("u", "v", "w"), length.out = nrow(D)))
wb <- read.csv("../data/warpbreaks.csv"); wb$tension <- factor(wb$tension, levels = c("L", "M", "H")); wb$wool <- factor(wb$wool)
bw <- read.csv("../data/birthwt.csv"); bw$race <- factor(bw$race, levels = c("white", "black", "other"))
C <- glm.control(epsilon = 1e-30, maxit = 40)   # until nothing moves: at the default the coefficients have 7 digits
options(warn = -1, contrasts = c("contr.treatment", "contr.poly"))
fits <- list(
  poisson = glm(y ~ x * f + h + offset(log(t)), poisson, D, control = C),
  gamma = glm(g ~ x * f + h, Gamma("log"), D, control = C),
  gaussian = glm(g ~ x + f * h, gaussian, D, weights = w, control = C),
  logit = glm(cbind(s, 10 - s) ~ x + f + h, binomial, D, control = C),
  probit = glm(low ~ age + lwt + race * smoke, binomial("probit"), bw, control = C),
  warpbreaks = glm(breaks ~ wool * tension, quasipoisson, wb, control = C),
  no_intercept = glm(g ~ 0 + x + I(x^2), Gamma("log"), D, control = C))
named <- function(t, rows, columns) { columns <- columns[columns %in% colnames(t)]; m <- as.matrix(t)[rows, , drop = FALSE]
  lapply(setNames(seq_along(rows), rows), function(i) { v <- as.list(m[i, columns]); names(v) <- names(columns); v }) }
labels <- function(f) attr(terms(f), "term.labels")
estimated <- function(f) !f$family$family %in% c("binomial", "poisson")
sequential <- function(f) { L <- labels(f)
  lrt <- anova(f, test = "Chisq"); rao <- anova(f, test = "Rao")
  o <- list(LRT = named(lrt, L, c(df = "Df", deviance = "Deviance", resid_df = "Resid. Df", resid_dev = "Resid. Dev", p_value = "Pr(>Chi)")),
    null = list(resid_df = lrt[1, "Resid. Df"], resid_dev = lrt[1, "Resid. Dev"]),
    Rao = named({ rao$Rao <- rao$Rao / summary(f)$dispersion; rao }, L, c(df = "Df", statistic = "Rao", p_value = "Pr(>Chi)")))   # R prints it unscaled
  if (estimated(f)) o$F <- named(anova(f, test = "F"), L, c(df = "Df", statistic = "F", p_value = "Pr(>F)"))
  o }
partial <- function(f, type, V) { L <- labels(f)
  get <- function(test, ...) { t <- Anova(f, type = type, test.statistic = test, ...); t }
  o <- list(LRT = named(get("LR"), L, c(statistic = "LR Chisq", df = "Df", p_value = "Pr(>Chisq)")),
    Wald = named(get("Wald"), L, c(chi_squared = "Chisq", df = "Df", p_normal = "Pr(>Chisq)")),
    HC3 = named(get("Wald", vcov. = V), L, c(chi_squared = "Chisq", df = "Df", p_normal = "Pr(>Chisq)")))
  if (estimated(f)) { k <- get("F"); o$F <- named(k, L, c(df = "Df", statistic = grep("^F value", colnames(k), value = TRUE), p_value = "Pr(>F)")) }
  o }
sum_coded <- function(f) { old <- options(contrasts = c("contr.sum", "contr.poly")); on.exit(options(old)); update(f) }
dropped <- function(f) { one <- function(test) { t <- drop1(f, test = test); rows <- setdiff(rownames(t), "<none>")
    stat <- intersect(c("LRT", "scaled dev.", "F value", "Rao score", "scaled Rao sc."), colnames(t)); p <- grep("^Pr", colnames(t), value = TRUE)
    r <- named(t, rows, c(df = "Df", deviance = "Deviance", aic = "AIC", statistic = tail(stat, 1), p_value = p)); r[["none"]] <- list(deviance = t["<none>", "Deviance"], aic = if ("AIC" %in% colnames(t)) t["<none>", "AIC"] else NA); r }
  o <- list(LRT = one("LRT"), Rao = one("Rao")); if (estimated(f)) o$F <- one("F")
  o$fits <- lapply(setNames(nm = setdiff(rownames(drop1(f)), "<none>")), function(v) { s <- update(f, as.formula(paste(". ~ . -", v))); list(aic = AIC(s), bic = BIC(s)) })
  o }
out <- list()
for (id in names(fits)) { f <- fits[[id]]; V <- vcovHC(f, "HC3"); s <- sum_coded(f); VS <- vcovHC(s, "HC3")
  out[[id]] <- list(I = sequential(f), drop1 = dropped(f), aic = AIC(f))
  if (id != "no_intercept") out[[id]] <- c(out[[id]], list(II = partial(f, 2, V), III = partial(s, 3, VS))) }

# several fits
pair <- function(a, b) { m <- anova(a, b, test = "Chisq"); r <- anova(a, b, test = "Rao"); V <- vcovHC(b, "HC3")
  o <- list(LRT = list(df = m[2, "Df"], deviance = m[2, "Deviance"], p_value = m[2, "Pr(>Chi)"]), Rao = list(statistic = r[2, "Rao"] / summary(b)$dispersion, p_value = r[2, "Pr(>Chi)"]),
    lrtest = { l <- lrtest(a, b); list(chi_squared = l[2, "Chisq"], p_value = l[2, "Pr(>Chisq)"]) },
    waldtest = { w <- waldtest(a, b, test = "Chisq"); list(chi_squared = w[2, "Chisq"], p_value = w[2, "Pr(>Chisq)"]) },
    waldtest_F = { w <- waldtest(a, b, test = "F"); list(F = w[2, "F"], p_value = w[2, "Pr(>F)"]) },
    waldtest_HC3 = { w <- waldtest(a, b, test = "Chisq", vcov = V); list(chi_squared = w[2, "Chisq"], p_value = w[2, "Pr(>Chisq)"]) })
  if (estimated(b)) { k <- anova(a, b, test = "F"); o$F <- list(statistic = k[2, "F"], p_value = k[2, "Pr(>F)"]) }
  o }
p1 <- glm(y ~ x + offset(log(t)), poisson, D, control = C); p2 <- update(p1, . ~ . + f + h); g1 <- glm(g ~ x, Gamma("log"), D, control = C); g2 <- update(g1, . ~ . * f)
q1 <- glm(cbind(s, 10 - s) ~ poly(x, 2), binomial, D, control = C); q2 <- glm(cbind(s, 10 - s) ~ x + I(x^2) + I(x^3) + f, binomial, D, control = C)
out$compare <- list(poisson = pair(p1, p2), gamma = pair(g1, g2), spaces = { m <- anova(q1, q2, test = "Rao"); k <- anova(q1, q2, test = "Chisq"); list(df = m[2, "Df"], deviance = m[2, "Deviance"], rao = m[2, "Rao"], p_value = k[2, "Pr(>Chi)"]) })
o1 <- glm(y ~ offset(x + log(t)), poisson, D, control = C); k <- anova(o1, p1, test = "Rao"); W <- (coef(p1)[["x"]] - 1)^2 / vcov(p1)["x", "x"]
out$compare$offset <- list(df = k[2, "Df"], deviance = k[2, "Deviance"], rao = k[2, "Rao"], wald = W)
g3 <- update(g2, . ~ . + h); three <- anova(g1, g2, g3, test = "F")
out$compare$three <- lapply(2:3, function(i) list(df = three[i, "Df"], deviance = three[i, "Deviance"], statistic = three[i, "F"], p_value = three[i, "Pr(>F)"]))
# add1
added <- function(f, scope, tests) lapply(setNames(nm = tests), function(test) { t <- add1(f, scope, test = test); rows <- setdiff(rownames(t), "<none>")
  stat <- intersect(c("LRT", "scaled dev.", "F value", "Rao score", "scaled Rao sc."), colnames(t)); p <- grep("^Pr", colnames(t), value = TRUE)
  named(t, rows, c(df = "Df", deviance = "Deviance", aic = "AIC", statistic = tail(stat, 1), p_value = p)) })
out$add1 <- list(poisson = added(p1, ~ . + f * h + x:f, c("LRT", "Rao")), gamma = added(g1, ~ . + f + h + w, c("LRT", "Rao", "F")),
  gamma_fits = lapply(setNames(nm = c("f", "h", "w")), function(v) AIC(update(g1, as.formula(paste(". ~ . +", v))))),
  gaussian = added(glm(g ~ x, gaussian, D, control = C), ~ . + f + h, c("LRT", "F")))
out$rao_gamma <- { rao <- function(a, b) { X <- model.matrix(b); e <- predict(a); mu <- exp(e); r <- (a$y - mu) / mu; U <- crossprod(X, r); sum(U * solve(crossprod(X), U)) / summary(b)$dispersion }
  lapply(setNames(nm = c("f", "h", "w")), function(v) rao(g1, update(g1, as.formula(paste(". ~ . +", v))))) }
# separated: restricted fits with and without infinite coefficients; R's are large and finite
D$b <- ifelse(D$h == "w", 1, as.numeric(D$y > 1)); D$n <- ifelse(D$h == "w", 0, D$y); D$z <- cos(seq_len(nrow(D)) - 1); D$c <- as.numeric(D$x > 0.1)
scores <- function(f) { L <- labels(f); two <- function(small, large) anova(update(f, small), update(f, large), test = "Rao")[2, "Rao"]
  list(I = as.list(setNames(anova(f, test = "Rao")[L, "Rao"], L)),
    II = lapply(setNames(nm = L), function(v) { above <- L[sapply(strsplit(L, ":"), function(p) all(strsplit(v, ":")[[1]] %in% p) && length(p) > length(strsplit(v, ":")[[1]]))]
      keep <- setdiff(L, above); side <- function(k) as.formula(paste(". ~ 1", if (length(k)) paste("+", k, collapse = " "))); two(side(setdiff(keep, v)), side(keep)) }),
    add = as.list(setNames(add1(f, ~ . + z, test = "Rao")["z", "Rao score"], "z")), pair = two(. ~ ., . ~ . + z)) }
out$separated <- list(binomial = scores(glm(b ~ x * f + h, binomial, D, control = C)), poisson = scores(glm(n ~ h + x, poisson, D, control = C)),
  whole = { m <- glm(c ~ x, binomial, D, control = C); anova(m, test = "Rao")["x", "Rao"] })
# step
low <- glm(low ~ age + lwt + race + smoke + ptl + ht + ui + ftv, binomial, bw, control = C)
path <- function(s) list(step = as.character(s$anova$Step), deviance = s$anova[["Resid. Dev"]], aic = s$anova$AIC, formula = deparse1(formula(s), collapse = ""))
out$step <- list(backward = path(step(low, trace = 0)), bic = path(step(low, trace = 0, k = log(nrow(bw)))),
  both = path(step(glm(low ~ 1, binomial, bw, control = C), list(lower = ~1, upper = ~ (age + lwt + race + smoke + ht + ui)^2), trace = 0, direction = "both")),
  forward = path(step(glm(low ~ lwt, binomial, bw, control = C), ~ . + age + race + smoke + ht + ui, trace = 0, direction = "forward")),
  gaussian = path(step(glm(bwt ~ age + lwt + race * smoke + ht + ui, gaussian, bw, control = C), trace = 0)),
  gamma = path(step(glm(bwt ~ age + lwt + race * smoke + ht + ui, Gamma("log"), bw, control = C), trace = 0)))
cat(toJSON(out, digits = I(17), auto_unbox = TRUE, pretty = TRUE, na = "null"), "\n")

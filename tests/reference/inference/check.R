# Collinearity, Breusch-Pagan, Durbin-Watson and Jarque-Bera of least squares fits.
# Rscript check.R > check.json, in this folder. Data D is tests/unit/data/features_check_data.csv; simulated rows are
# in the output.
suppressMessages({library(jsonlite); library(lmtest); library(car); library(tseries)})
D <- read.csv("../../unit/data/features_check_data.csv", stringsAsFactors = TRUE)
condition <- function(fit) {   # columns of length 1, of the weighted design
  w <- weights(fit); X <- model.matrix(fit) * (if (is.null(w)) 1 else sqrt(w))
  X <- X[, !is.na(coef(fit)), drop = FALSE]
  d <- svd(scale(X, center = FALSE, scale = sqrt(colSums(X^2))))$d
  d[1] / d[length(d)]
}
plain <- function(test) list(statistic = unname(test$statistic), df = unname(test$parameter), p_value = unname(test$p.value))
imhof <- function(X, dw) {   # two-sided, by the integral of Imhof (1961)
  n <- nrow(X); A <- diag(c(1, rep(2, n - 2), 1)); A[abs(row(A) - col(A)) == 1] <- -1
  Q <- qr.Q(qr(X), complete = TRUE)[, -seq_len(ncol(X))]
  l <- eigen(crossprod(Q, A %*% Q), symmetric = TRUE)$values - dw
  f <- function(u) sapply(u, function(u) sin(0.5 * sum(atan(l * u))) / (u * exp(0.25 * sum(log1p((l * u)^2)))))
  p <- 0.5 + integrate(f, 0, Inf, rel.tol = 1e-12, abs.tol = 1e-15, subdivisions = 5000)$value / pi
  2 * min(p, 1 - p)
}
case <- function(formula, data) {
  fit <- lm(formula, data)
  v <- as.matrix(suppressWarnings(vif(fit)))
  list(
    gvif = unname(v[, 1]), condition = condition(fit), bp = plain(bptest(fit)),
    dw = plain(dwtest(fit, alternative = "two.sided", exact = TRUE, iterations = 60)),
    dw_normal = plain(dwtest(fit, alternative = "two.sided", exact = FALSE)),
    imhof = imhof(model.matrix(fit), dwtest(fit)$statistic), jb = plain(jarque.bera.test(residuals(fit)))
  )
}
weighted <- function(formula, data, w) {   # least squares of sqrt(w) times rows, by hand
  X <- model.matrix(formula, data) * sqrt(w); y <- model.response(model.frame(formula, data)) * sqrt(w)
  e <- lm.fit(X, y)$residuals; n <- length(y); Z <- model.matrix(formula, data)
  aux <- lm.fit(Z, e^2 - mean(e^2)); bp <- n * sum(aux$fitted.values^2) / sum((e^2 - mean(e^2))^2)
  S <- data.frame(y = y, X = I(X))
  data$.w <- w; fit <- lm(formula, data, weights = .w)
  list(gvif = unname(as.matrix(vif(fit))[, 1]), condition = condition(fit),
       bp = list(statistic = bp, df = ncol(Z) - 1, p_value = pchisq(bp, ncol(Z) - 1, lower.tail = FALSE)),
       dw = plain(dwtest(y ~ 0 + X, data = S, alternative = "two.sided", exact = TRUE, iterations = 60)),
       jb = plain(jarque.bera.test(e)))
}
set.seed(7); n <- 300
S <- data.frame(x = rnorm(n), t = seq_len(n) / 50, f = factor(sample(c("a", "b", "c"), n, TRUE)))
S$z <- S$x + rnorm(n) / 2
S$u <- as.vector(arima.sim(list(ar = 0.3), n)) * exp(S$x / 4)
S$y <- 1 + S$x - S$z + S$t + (S$f == "b") + S$u
S$k <- rep(c(1, 2, 3), 100)
cat(toJSON(list(
  rows = as.list(S),
  small = case(g ~ x + f, D), offset = case(I(g - t) ~ x + f, D),   # dwtest and bptest leave offsets out
  simulated = case(y ~ x + z + t + f, S), poly = case(y ~ poly(x, 2) + t + f, S), plain = case(y ~ z + t, S),
  repeated = case(y ~ x + z + f, S[rep(seq_len(n), S$k), ]), part = case(y ~ x + z + f, S[S$f != "a" | S$x > 0, ]),
  weighted = weighted(y ~ x + z + f, S, S$k / 2)
), digits = NA, auto_unbox = TRUE))

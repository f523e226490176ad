# cluster.R - clustered covariances by R's sandwich and clubSandwich. Run from this folder: Rscript cluster.R
# R 4.2.2, sandwich 3.0-2, clubSandwich 0.5.8. `vcov` is the lower triangle by columns; `data` is simulated here.
suppressPackageStartupMessages({library(sandwich); library(clubSandwich); library(jsonlite)})
low <- function(V) { V <- unclass(as.matrix(V)); V[lower.tri(V, diag = TRUE)] }
exact <- glm.control(epsilon = 1e-30, maxit = 60)  # to the last bit: Fisher scoring is linear where the link is not canonical
options(warn = -1)  # 60 steps never meet 1e-30
polish <- function(fit) { for (i in 1:4) fit <- update(fit, start = ifelse(is.na(coef(fit)), 0, coef(fit))); fit }  # estfun has the weights of the step before the last
D <- read.csv(file.path("..", "..", "unit", "data", "features_check_data.csv"))
D$cl <- rep(1:8, 5)

set.seed(20)
n <- 240
firm <- sample(12, n, TRUE); year <- sample(10, n, TRUE); region <- sample(letters[1:6], n, TRUE)
x <- round(rnorm(n) + 0.5 * rnorm(12)[firm], 3); z <- round(runif(n, -1, 2), 3); f <- sample(c("a", "b", "c"), n, TRUE)
eta <- 0.3 + 0.4 * x - 0.3 * z + 0.4 * (f == "b") + 0.5 * rnorm(12)[firm] + 0.4 * rnorm(10)[year] + 0.3 * rnorm(6)[match(region, letters)]
size <- sample(1:9, n, TRUE)
P <- data.frame(firm, year, region, x, z, f, y = rpois(n, exp(eta)), g = round(rgamma(n, 2, 2 / exp(eta)) + 1e-3, 4),
                s = rbinom(n, size, plogis(eta)), size, w = round(runif(n, 0.3, 3), 3), alone = as.numeric(firm == 5 & year < 6))
P$share <- P$s / P$size

fits <- list(
  D_poisson = list(glm(y ~ x + f, poisson, D, control = exact), D$cl),
  D_gamma = list(glm(g ~ x, Gamma("log"), D, weights = w, control = exact), D$cl),
  poisson = list(glm(y ~ x + z + f, poisson, P, control = exact), P$firm),
  steep = list(glm(y ~ I(3 * x^2) + z, poisson, P, control = exact), P$firm),
  gaussian = list(glm(g ~ x + f, gaussian, P, control = exact), P$firm),
  gaussian_weighted = list(glm(g ~ x + f, gaussian, P, weights = w, control = exact), P$firm),
  gamma = list(glm(g ~ x * z, Gamma("log"), P, control = exact), P$firm),
  probit = list(glm(share ~ x + z + offset(0.1 * z), binomial("probit"), P, weights = size, control = exact), P$year),
  alone = list(glm(y ~ x + alone, poisson, P, control = exact), P$firm),
  rows = list(glm(y ~ x + z, poisson, P[1:60, ], control = exact), 1:60))

one <- function(case, name) { fit <- polish(case[[1]]); cl <- case[[2]]; p <- length(coef(fit)); out <- list(groups = length(unique(cl)), vcov = list(), df = list(), joint = list(), vcovcl = list())
  for (type in c("CR0", "CR1", "CR1S", "CR2", "CR3")) {
    if (name == "alone" && type == "CR3") next  # solve() of a singular matrix
    V <- vcovCR(fit, cluster = cl, type = type); out$vcov[[type]] <- low(V)
    if (type %in% c("CR2", "CR3")) { out$df[[type]] <- coef_test(fit, V, test = "Satterthwaite")$df
      C <- diag(p)[2:p, , drop = FALSE]; C[1, p] <- C[1, p] - 0.5
      out$pair <- C
      W <- as.data.frame(Wald_test(fit, C, V, test = "HTZ")); out$joint[[type]] <- c(W$Fstat, W$df_num, W$df_denom, W$p_val) } }
  if (name != "alone") for (type in c("HC0", "HC1", "HC2", "HC3")) out$vcovcl[[type]] <- low(vcovCL(fit, cluster = cl, type = type))
  out }
results <- lapply(setNames(names(fits), names(fits)), function(name) one(fits[[name]], name))

# several ways: vcovCL; the rules of statsmodels and fixest put together from its parts
n <- 400
firm <- sample(30, n, TRUE); year <- sample(20, n, TRUE); region <- sample(letters[1:8], n, TRUE); shock <- function(code, size) rnorm(50, sd = size)[code]
x <- round(rnorm(n) + shock(firm, 1) + shock(year, 1) + shock(match(region, letters), 1), 3)
z <- round(rnorm(n) + shock(firm, 1) + shock(year, 1) + shock(match(region, letters), 1), 3)
Q <- data.frame(firm, year, region, x, z, y = rpois(n, exp(0.2 * x - 0.1 * z + shock(firm, 0.5) + shock(year, 0.5) + shock(match(region, letters), 0.5))))
fit <- polish(glm(y ~ x + z, poisson, Q, control = exact)); k <- length(coef(fit))
ways <- Q[, c("firm", "year", "region")]
part <- function(names) vcovCL(fit, cluster = if (length(names) == 1) ways[[names]] else interaction(ways[names], drop = TRUE), type = "HC0", cadjust = FALSE)
count <- function(names) length(unique(interaction(ways[names], drop = TRUE)))
several <- function(names, factor) { V <- 0
  for (size in seq_along(names)) for (s in combn(names, size, simplify = FALSE)) V <- V + (-1)^(size + 1) * factor(s) * part(s)
  low(V) }
two <- c("firm", "year"); three <- c("firm", "year", "region"); rows <- (n - 1) / (n - k)
cr1 <- function(G) G / (G - 1)
multiway <- list(
  two = list(CR0 = low(vcovCL(fit, ways[two], type = "HC0", cadjust = FALSE)), CR1 = low(vcovCL(fit, ways[two], type = "HC0")),
             CR1S = low(vcovCL(fit, ways[two], type = "HC1")), vcovcl_CR2 = low(vcovCL(fit, ways[two], type = "HC2")), vcovcl_CR3 = low(vcovCL(fit, ways[two], type = "HC3")),
             fixest = several(two, function(s) rows * cr1(min(sapply(two, count)))), statsmodels = several(two, function(s) rows * cr1(count(s)))),
  three = list(CR0 = low(vcovCL(fit, ways[three], type = "HC0", cadjust = FALSE)), CR1 = low(vcovCL(fit, ways[three], type = "HC0")),
               CR1S = low(vcovCL(fit, ways[three], type = "HC1")),
               fixest = several(three, function(s) rows * cr1(min(sapply(three, count)))), statsmodels = several(three, function(s) rows * cr1(count(s)))))

# few rows in many cells: not positive semi-definite; repaired where the information is the unit matrix
few <- P[1:36, ]; small <- polish(glm(y ~ x + z + f + region, poisson, few, control = exact))
V <- vcovCL(small, few[c("year", "firm")], type = "HC0", cadjust = FALSE)
R <- chol(solve(vcov(small))); M <- R %*% V %*% t(R); e <- eigen((M + t(M)) / 2, symmetric = TRUE)
B <- solve(R, e$vectors %*% diag(sqrt(pmax(e$values, 0))))
indefinite <- list(negative = sum(e$values < -1e-10), vcov = low(B %*% t(B)), unrepaired = low(V))

# observed information in the bread
gamma <- polish(fits$gamma[[1]]); X <- model.matrix(gamma); mu <- fitted(gamma)
bread_observed <- solve(crossprod(X, X * (P$g / mu)))
observed <- list()
for (type in c("CR0", "CR2", "CR3")) { V <- vcovCR(gamma, cluster = P$firm, type = type); J <- crossprod(X)
  observed[[type]] <- low(bread_observed %*% (J %*% V %*% J) %*% bread_observed) }

# the rank tolerance of glm is epsilon / 1000
aliased <- list(fit = polish(glm(y ~ x + I(2 * x) + z, poisson, P, control = glm.control(epsilon = 1e-10, maxit = 60))))
aliased$CR1 <- low(vcovCL(aliased$fit, P$firm, type = "HC0")); V <- vcovCR(aliased$fit, cluster = P$firm, type = "CR2"); aliased$CR2 <- low(V)
aliased$df <- coef_test(aliased$fit, V, test = "Satterthwaite")$df; aliased$fit <- NULL

for (V in c(multiway$two, multiway$three)) { M <- matrix(0, k, k); M[lower.tri(M, diag = TRUE)] <- V; stopifnot(eigen(M + t(M) - diag(diag(M)))$values > 0) }
write_json(list(data = P, ways = Q, fits = results, multiway = multiway, indefinite = indefinite, observed = observed, aliased = aliased), "cluster.json", digits = I(17), auto_unbox = TRUE, dataframe = "columns")

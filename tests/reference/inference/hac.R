# hac.R - covariances of dependent rows by R's sandwich (and plm), without prewhitening. Run from this folder: Rscript hac.R
# R 4.2.2, sandwich 3.0-2, plm 2.6-2. `vcov` is the lower triangle by columns.
suppressPackageStartupMessages({library(sandwich); library(plm); library(jsonlite)})
data_of <- function(name) read.csv(file.path("..", "data", paste0(name, ".csv")))
low <- function(V) V[lower.tri(V, diag = TRUE)]
exact <- glm.control(epsilon = 1e-30, maxit = 60)  # to the last bit: Fisher scoring is linear where the link is not canonical
options(warn = -1)  # 60 steps never meet 1e-30
D <- read.csv(file.path("..", "..", "unit", "data", "features_check_data.csv"))
air <- subset(data_of("airquality"), !is.na(Ozone)); air$day <- as.numeric(as.Date(sprintf("1973-%02d-%02d", air$Month, air$Day)))
sleep <- data_of("sleepstudy"); cbpp <- data_of("cbpp")
mixed <- air[c(seq(2, nrow(air), 2), seq(1, nrow(air), 2)), ]

# a few steps more: estfun takes the weights of the step before the last
polish <- function(fit) { if (inherits(fit, "glm")) for (i in 1:4) fit <- update(fit, start = coef(fit)); fit }
KERNELS <- c(bartlett = "Bartlett", parzen = "Parzen", quadratic_spectral = "Quadratic Spectral")
series <- list(
  D = list(fit = glm(y ~ x + f + offset(log(t)), poisson, D, control = exact), order = NULL),
  D_weighted = list(fit = glm(g ~ x + f, Gamma("log"), D, weights = w, control = exact), order = NULL),
  D_no_intercept = list(fit = glm(y ~ 0 + x + t, quasipoisson, D, control = exact), order = NULL),
  D_one = list(fit = glm(y ~ 1, poisson, D, control = exact), order = NULL),
  air = list(fit = glm(Ozone ~ Temp + Wind, quasipoisson, air, control = exact), order = air$day),
  air_mixed = list(fit = glm(Ozone ~ Temp + Wind, quasipoisson, mixed, control = exact), order = mixed$day),
  air_gaussian = list(fit = lm(Ozone ~ Temp + Wind, air), order = air$day))
one <- function(s) { fit <- polish(s$fit); o <- s$order
  out <- list(bandwidth = list(), vcov = list())
  for (k in names(KERNELS)) { K <- KERNELS[[k]]
    out$bandwidth[[paste("andrews", k)]] <- bwAndrews(fit, order.by = o, kernel = K, prewhite = 0)
    out$bandwidth[[paste("newey-west", k)]] <- bwNeweyWest(fit, order.by = o, kernel = K, prewhite = 0)
    for (b in c("andrews", "newey-west")) { rule <- if (b == "andrews") bwAndrews else bwNeweyWest
      out$vcov[[paste("HAC", k, b)]] <- low(kernHAC(fit, order.by = o, prewhite = 0, bw = rule, kernel = K, adjust = FALSE, tol = 0)) }
    out$vcov[[paste("HAC", k, "3.5")]] <- low(kernHAC(fit, order.by = o, prewhite = 0, bw = 3.5, kernel = K, adjust = FALSE, tol = 0))
    out$vcov[[paste("HAC", k, "3.5 adjusted")]] <- low(kernHAC(fit, order.by = o, prewhite = 0, bw = 3.5, kernel = K, adjust = TRUE, tol = 0)) }
  out$lag <- floor(bwNeweyWest(fit, order.by = o, prewhite = 0))
  out$vcov[["NW"]] <- low(NeweyWest(fit, order.by = o, prewhite = FALSE))
  out$vcov[["NW lag 5"]] <- low(NeweyWest(fit, lag = 5, order.by = o, prewhite = FALSE))
  out$vcov[["NW lag 5 adjusted"]] <- low(NeweyWest(fit, lag = 5, order.by = o, prewhite = FALSE, adjust = TRUE))
  out$vcov[["NW lag 0"]] <- low(NeweyWest(fit, lag = 0, order.by = o, prewhite = FALSE))
  out }

sleep_gap <- subset(sleep, !(Subject == 308 & Days %in% c(2, 5)) & !(Subject == 335 & Days > 6) & Days != 4)
panels <- list(
  sleep = list(fit = lm(Reaction ~ Days, sleep), unit = sleep$Subject, time = sleep$Days),
  sleep_gap = list(fit = glm(Reaction ~ Days + I(Days^2), Gamma("log"), sleep_gap, control = exact), unit = sleep_gap$Subject, time = sleep_gap$Days),
  cbpp = list(fit = glm(cbind(incidence, size - incidence) ~ period, binomial, cbpp, control = exact), unit = cbpp$herd, time = cbpp$period))
panel <- function(s) { s$fit <- polish(s$fit); out <- list(vcov = list())
  for (kind in c("panel", "DK")) { aggregate <- kind == "DK"
    pl <- function(...) low(vcovPL(s$fit, cluster = s$unit, order.by = s$time, aggregate = aggregate, ...))
    out$vcov[[paste(kind, "default")]] <- pl(adjust = FALSE)
    out$vcov[[paste(kind, "default adjusted")]] <- pl(adjust = TRUE)
    out$vcov[[paste(kind, "NW1994")]] <- pl(lag = "NW1994", adjust = FALSE)
    for (lag in 0:2) out$vcov[[paste(kind, "lag", lag)]] <- pl(lag = lag, adjust = FALSE)
    for (k in names(KERNELS)) out$vcov[[paste(kind, k, "2.5")]] <- pl(lag = NULL, bw = 2.5, kernel = KERNELS[[k]], adjust = FALSE) }
  sums <- apply(estfun(s$fit), 2, tapply, s$time, sum)
  if (nrow(sums) > 8) for (k in names(KERNELS)) for (b in c("andrews", "newey-west")) { K <- KERNELS[[k]]
    bw <- (if (b == "andrews") bwAndrews else bwNeweyWest)(sums, kernel = K, prewhite = 0)
    out$vcov[[paste("DK", k, b)]] <- low(vcovPL(s$fit, cluster = s$unit, order.by = s$time, lag = NULL, bw = bw, kernel = K, adjust = FALSE)) }
  out$vcov[["panel rows in order lag 1"]] <- low(vcovPL(s$fit, cluster = s$unit, aggregate = FALSE, lag = 1, adjust = FALSE))
  out }

# plm: the same two by other code, on a balanced panel
P <- plm(Reaction ~ Days, transform(sleep, day = Days), model = "pooling", index = c("Subject", "day"))
by_plm <- list("DK lag 2" = low(vcovSCC(P, maxlag = 2)), "DK default" = low(vcovSCC(P)), "panel lag 2" = low(vcovNW(P, maxlag = 2)), "panel default" = low(vcovNW(P)))

write_json(list(series = lapply(series, one), panel = lapply(panels, panel), plm = by_plm), "hac.json", digits = I(17), auto_unbox = TRUE, pretty = TRUE)

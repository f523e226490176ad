# Bootstrap intervals from given replicates (boot::boot.ci), refits of given resamples, and the sandwich
# covariances that the wild bootstrap has in expectation. Writes bootstrap.json beside this file.
library(boot); library(sandwich); library(jsonlite)

D <- read.csv("../../unit/data/features_check_data.csv", stringsAsFactors = TRUE)
strict <- glm.control(epsilon = 1e-15, maxit = 100)
D$firm <- rep(1:8, each = 5)

statistic <- function(data, rows) {
  fit <- suppressWarnings(
    glm(y ~ x + f + offset(log(t)), stats::poisson, data = data[rows, ], control = strict))
  c(coef(fit), diag(vcov(fit)))
}
set.seed(11)
drawn <- boot(D, statistic, R = 399)
counts <- boot.array(drawn)

fit <- glm(y ~ x + f + offset(log(t)), poisson, D, control = strict)
p <- length(coef(fit))
influence <- estfun(fit) %*% vcov(fit) * nrow(D)

intervals <- function(j, conf) {
  out <- boot.ci(drawn, conf = conf, type = c("norm", "basic", "stud", "perc", "bca"), index = c(j, p + j),
                 L = influence[, j])
  list(coefficient = names(coef(fit))[j], level = conf,
       normal = out$normal[2:3], basic = out$basic[4:5], studentized = out$student[4:5],
       percentile = out$percent[4:5], bca = out$bca[4:5])
}
cases <- expand.grid(j = 1:p, conf = c(0.8, 0.9, 0.95))
ends <- Map(intervals, cases$j, cases$conf)

gaussian <- glm(g ~ x + f, gaussian, D, weights = w, control = strict)
poisson <- fit
wild <- lapply(list(gaussian = gaussian, poisson = poisson), function(model) list(
  HC0 = unname(vcovHC(model, type = "HC0")),
  clustered = unname(vcovCL(model, cluster = D$firm, type = "HC0", cadjust = FALSE))))

# sandwich::vcovBS fits the resamples of a glm without its offset (3.0.2): these are fitted here, with it.
resampled <- function(rows, reps = 4000) {
  fits <- replicate(reps, statistic(D, rows())[1:p])
  unname(apply(fits, 1, sd))
}
firms <- split(seq_len(nrow(D)), D$firm)
set.seed(12)
by.case <- resampled(function() sample(nrow(D), replace = TRUE))
set.seed(13)
by.cluster <- resampled(function() unlist(firms[sample(length(firms), replace = TRUE)]))

write_json(list(
  versions = list(R = R.version.string, boot = as.character(packageVersion("boot")),
                  sandwich = as.character(packageVersion("sandwich"))),
  estimate = unname(drawn$t0[1:p]), std_error = unname(sqrt(drawn$t0[p + 1:p])),
  replicates = drawn$t[, 1:p], std_errors = sqrt(drawn$t[, p + 1:p]), counts = counts,
  influence = unname(influence), bias = colMeans(drawn$t[, 1:p]) - unname(drawn$t0[1:p]),
  bootstrap_error = apply(drawn$t[, 1:p], 2, sd),
  intervals = ends, wild = wild,
  resampled = list(case = by.case, cluster = by.cluster, reps = 4000)
), "bootstrap.json", digits = 17, auto_unbox = TRUE)

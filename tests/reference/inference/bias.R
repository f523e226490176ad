# Bias-reduced fits by brglm2: adjusted scores for mean and median bias, Jeffreys' prior; dispersion adjusted too.
# Rscript bias.R > bias.json, in this folder. Data are ../data/*.csv and tests/unit/data/features_check_data.csv.
suppressMessages({library(brglm2); library(jsonlite)})
read <- function(name) read.csv(paste0("../data/", name, ".csv"), stringsAsFactors = TRUE)
D <- read.csv("../../unit/data/features_check_data.csv", stringsAsFactors = TRUE)
clotting <- read("clotting"); trees <- read("trees"); budworm <- read("budworm"); birthwt <- read("birthwt")
insurance <- read("Insurance"); sep <- read("sep_quasi"); full <- read("sep_full"); zero <- read("zero_cell"); swiss <- read("swiss")
clotting$w <- c(1, 2, 3, 1, 2, 3, 1, 2, 3); trees$w <- 1 + (seq_len(nrow(trees)) %% 3) / 2

one <- function(formula, data, family, type, weights = NULL) {
  data$.w <- if (is.null(weights)) rep(1, nrow(data)) else data[[weights]]
  fit <- glm(formula, data = data, family = family, weights = .w, method = "brglmFit",
             control = list(type = type, epsilon = 1e-13, maxit = 20000, max_step_factor = 40))
  list(coef = unname(coef(fit)), se = unname(sqrt(diag(vcov(fit)))), dispersion = fit$dispersion, deviance = fit$deviance,
       loglik = as.numeric(logLik(fit)), aic = AIC(fit), score = max(abs(fit$grad), na.rm = TRUE))
}
cases <- list(
  sep_logit = list(y ~ x + g, sep, binomial()),
  full_probit = list(y ~ x, full, binomial("probit")),
  birthwt_cauchit = list(low ~ lwt + smoke, birthwt, binomial("cauchit")),
  birthwt_cloglog = list(low ~ age + lwt + race + smoke + ht + ui, birthwt, binomial("cloglog")),
  budworm_probit = list(cbind(numdead, n - numdead) ~ sex * ldose, budworm, binomial("probit")),
  zero_poisson = list(y ~ g + x, zero, poisson()),
  insurance_offset = list(Claims ~ District + offset(log(Holders)), insurance, poisson()),
  features_sqrt = list(y ~ x + f, D, poisson("sqrt")),
  clotting_log = list(lot1 ~ log(u), clotting, Gamma("log")),
  clotting_inverse = list(lot1 ~ log(u), clotting, Gamma("inverse")),
  clotting_weights = list(lot2 ~ log(u), clotting, Gamma("log"), "w"),
  trees_normal_log = list(Volume ~ log(Girth) + log(Height), trees, gaussian("log")),
  trees_normal = list(Volume ~ Girth + Height, trees, gaussian()),
  trees_inverse_gaussian = list(Volume ~ log(Girth) + log(Height), trees, inverse.gaussian("log"), "w"),
  trees_gamma_identity = list(Volume ~ Girth + Height, trees, Gamma("identity"), "w"))
out <- lapply(cases, function(k) {
  found <- lapply(c(firth = "AS_mean", median_br = "AS_median", jeffreys = "MPL_Jeffreys"),
                  function(type) one(k[[1]], k[[2]], k[[3]], type, if (length(k) > 3) k[[4]]))
  found })
cat(toJSON(out, digits = NA, pretty = TRUE, auto_unbox = TRUE))

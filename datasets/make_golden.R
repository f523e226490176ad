# Prints what R gives for each card's model, as JSON: Rscript make_golden.R > golden.json,
# then python make_datasets.py golden.json writes it into the cards.
library(jsonlite)

number <- function(v) sprintf("%.17g", v)

read_table <- function(name, card) {
  data <- read.csv(paste0(name, ".csv"), na.strings = "", check.names = FALSE)
  for (column in card$columns) {
    if (!is.null(column$levels)) {
      data[[column$name]] <- factor(data[[column$name]], levels = unlist(column$levels))
    }
    if (column$kind == "boolean") data[[column$name]] <- as.logical(data[[column$name]])
  }
  data
}

links <- list(gaussian = "identity", binomial = "logit", poisson = "log", gamma = "inverse", quasipoisson = "log")

fit_card <- function(name, card) {
  model <- card$model
  data <- read_table(name, card)
  if (!is.null(model$freq_weights)) data <- data[rep(seq_len(nrow(data)), data[[model$freq_weights]]), ]
  family <- if (model$family == "gamma") "Gamma" else model$family
  link <- if (is.null(model$link)) links[[model$family]] else model$link
  # Refitted 40 times from where it stopped: the deviance is flat long before the coefficients are exact.
  start <- NULL
  for (round in 1:40) {
    fit <- do.call(glm, list(as.formula(model$formula), get(family)(link), data, start = start,
                             control = list(epsilon = 1e-14, maxit = 100)))
    start <- coef(fit)
  }
  list(
    names = I(names(coef(fit))), coef = I(number(coef(fit))), std_error = I(number(sqrt(diag(vcov(fit))))),
    deviance = number(deviance(fit)), null_deviance = number(fit$null.deviance), df_residual = fit$df.residual,
    dispersion = number(summary(fit)$dispersion), loglik = number(logLik(fit)), aic = number(AIC(fit))
  )
}

options(warn = -1)
results <- list()
for (path in list.files(pattern = "json$")) {
  name <- sub(".json", "", path, fixed = TRUE)
  card <- read_json(path)
  infinite <- name == "separation"
  if (is.null(card$certified) && identical(card$model$verb, "glm") && !infinite) {
    results[[name]] <- fit_card(name, card)
  }
}
cat(toJSON(list(version = R.version.string, results = results), auto_unbox = TRUE, pretty = TRUE))

# Writes the sets that R makes: a generated one, tables of base R's package datasets, and penguins (CC0).
# Run in this folder: Rscript make_datasets.R; python make_datasets.py.

write <- function(data, name) {
  text <- function(v) if (is.double(v)) ifelse(is.na(v), NA, sprintf("%.15g", v)) else as.character(v)
  data[] <- lapply(data, text)
  write.csv(data, paste0(name, ".csv"), row.names = FALSE, quote = FALSE, na = "", eol = "\n")
}

set.seed(1)
n <- 40
x <- rnorm(n)
f <- factor(rep(c("a", "b"), n / 2))
t <- runif(n, .5, 2)
y <- rpois(n, exp(.3 + .5 * x) * t)
g <- rgamma(n, 2, 2 / exp(.3 + .5 * x))
w <- runif(n, .5, 2)
s <- rbinom(n, 10, plogis(.5 * x))
write(data.frame(x, f, t, y, g, w, s), "trips")

write(warpbreaks, "warpbreaks")
write(InsectSprays, "InsectSprays")
write(ToothGrowth, "ToothGrowth")
write(airquality, "airquality")
write(esoph, "esoph")
write(as.data.frame(UCBAdmissions), "UCBAdmissions")
write(infert, "infert")
write(as.data.frame(palmerpenguins::penguins), "penguins")

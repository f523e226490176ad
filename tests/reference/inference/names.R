# names.R - names of coefficients as R's glm gives them. Run from this folder: Rscript names.R
# R 4.2.2. `D` is the table of features_check_data.csv with h, b, k, o added as below; tests/unit/test_convention_names.py adds them too.
suppressPackageStartupMessages(library(jsonlite))
D <- read.csv(file.path("..", "..", "unit", "data", "features_check_data.csv"), stringsAsFactors = TRUE)
i <- seq_len(nrow(D)) - 1
D$`a b` <- D$t; D$`if` <- D$x; D$`_u` <- D$t^2; D$.v <- D$x^2
D$`h-1` <- factor(c("u", "v w", "z")[i %% 3 + 1])
D$h <- factor(ifelse(i %% 3 == 0, "u", "v")); D$b <- D$x > 0; D$k <- i %% 4
D$o <- factor(c("lo", "mid", "hi", "top")[i %% 4 + 1], levels = c("lo", "mid", "hi", "top"), ordered = TRUE)
formulas <- c(
  "y ~ x + f", "y ~ x * f", "y ~ f * h", "y ~ x + b", "y ~ b:x + x", "y ~ 0 + f", "y ~ x:t", "y ~ f / x",
  "y ~ I(x^2) + log(t)", "y ~ I(x * t) + sqrt(t)", "y ~ poly(x, 2) + f", "y ~ poly(x, 2):f + f",
  "y ~ factor(k) + x", "y ~ factor(k):x", "y ~ as.factor(k) * b", "y ~ o + x", "y ~ o * f",
  "y ~ relevel(f, 'b') + x", "y ~ C(f, contr.sum) + x", "y ~ C(k, contr.helmert)", "y ~ scale(t) + f",
  "y ~ x + h:f + f + h", "y ~ I(x > 0) + x", "y ~ x + offset(log(t)) + f:t",
  "y ~ `a b` + `h-1`", "y ~ log(`a b`) + I(`a b`^2) + poly(`a b`, 2) + f:`a b`", "y ~ `if` + `_u` + .v")
D2 <- transform(D, k = factor(k))
found <- lapply(formulas, function(text) {
  data <- if (grepl("C(k", text, fixed = TRUE)) D2 else D
  names(coef(glm(as.formula(text), poisson, data))) })
names(found) <- formulas
write(toJSON(found, pretty = TRUE), "names.json")

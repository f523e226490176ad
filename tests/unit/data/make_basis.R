# Writes basis.json: what R's poly, bs, ns, cut, scale and contrasts give. Run in this folder: Rscript make_basis.R
library(splines)
library(MASS)

set.seed(3)
x <- round(runif(20, -2, 7), 3)
year <- 2000 + 0:19
inside <- c(-1.25, 0.5, 3, 6.125)
beyond <- c(-6, -2.5, 0.5, 8, 11.5)

number <- function(v) {
  text <- sprintf("%.17g", v)
  text[is.na(v)] <- "null"
  text
}
vector <- function(v) paste0("[", paste(number(v), collapse = ", "), "]")
columns <- function(m) {
  m <- as.matrix(m)
  paste0("[", paste(apply(m, 2, vector), collapse = ",\n      "), "]")
}
texts <- function(v) paste0("[", paste(ifelse(is.na(v), "null", dQuote(v, FALSE)), collapse = ", "), "]")
record <- function(name, ...) {
  fields <- c(...)
  paste0("  ", dQuote(name, FALSE), ": {\n",
         paste0("    ", dQuote(names(fields), FALSE), ": ", fields, collapse = ",\n"), "\n  }")
}
basis <- function(name, made, old, new) {
  record(name, x = vector(old), new = vector(new), fit = columns(made),
         predict = columns(suppressWarnings(predict(made, new))))
}
out <- c(
  basis("poly 1", poly(x, 1), x, beyond),
  basis("poly 3", poly(x, 3), x, beyond),
  basis("poly 5", poly(x, 5), x, inside),
  basis("poly 4 of years", poly(year, 4), year, c(1990, 2003.5, 2025)),
  basis("poly 3 raw", poly(x, 3, raw = TRUE), x, inside),
  basis("bs", bs(x), x, beyond),
  basis("bs df=5", bs(x, df = 5), x, beyond),
  basis("bs df=6 intercept", bs(x, df = 6, intercept = TRUE), x, beyond),
  basis("bs knots", bs(x, knots = c(1, 4.5)), x, beyond),
  basis("bs degree 2", bs(x, knots = c(1, 4.5), degree = 2), x, beyond),
  basis("bs degree 1", bs(x, df = 4, degree = 1), x, beyond),
  basis("bs boundary", bs(x, df = 6, Boundary.knots = c(-5, 9)), x, beyond),
  basis("bs narrow boundary", suppressWarnings(bs(x, df = 5, Boundary.knots = c(0, 5))), x, beyond),
  basis("bs double knot", bs(x, knots = c(2, 2, 4)), x, inside),
  basis("ns", ns(x), x, beyond),
  basis("ns df=2", ns(x, df = 2), x, beyond),
  basis("ns df=4", ns(x, df = 4), x, beyond),
  basis("ns df=5 intercept", ns(x, df = 5, intercept = TRUE), x, beyond),
  basis("ns knots", ns(x, knots = c(1, 4.5)), x, beyond),
  basis("ns boundary", ns(x, df = 3, Boundary.knots = c(-5, 9)), x, beyond),
  basis("ns narrow boundary", ns(x, df = 4, Boundary.knots = c(0, 5)), x, beyond)
)

coefs <- attr(poly(x, 3), "coefs")
out <- c(out, record("coefs of poly 3", x = vector(x), alpha = vector(coefs$alpha), norm2 = vector(coefs$norm2)))

scaled <- function(name, made) record(name, x = vector(x), fit = vector(made))
out <- c(out,
  scaled("scale", scale(x)),
  scaled("scale without center", scale(x, center = FALSE)),
  scaled("scale without scale", scale(x, scale = FALSE)),
  scaled("scale center 2", scale(x, center = 2)),
  scaled("scale center 2 scale 3", scale(x, center = 2, scale = 3)))

cutting <- function(name, made, old = x) {
  record(name, x = vector(old), levels = texts(levels(made)), labels = texts(as.character(made)))
}
edge <- c(-1, 0, 2.5, 5, 7)
wide <- c(12345.6, 12345.7, 12346, 99999)
out <- c(out,
  cutting("cut breaks", cut(x, c(-1, 0, 2.5, 5))),
  cutting("cut left", cut(edge, c(-1, 0, 2.5, 5), right = FALSE), edge),
  cutting("cut lowest", cut(edge, c(-1, 0, 2.5, 5), include.lowest = TRUE), edge),
  cutting("cut left lowest", cut(edge, c(-1, 0, 2.5, 5), right = FALSE, include.lowest = TRUE), edge),
  cutting("cut number", cut(x, 4)),
  cutting("cut number constant", cut(c(3, 3), 3), c(3, 3)),
  cutting("cut infinite", cut(x, c(-Inf, 1.5, Inf))),
  cutting("cut digits", cut(wide, c(12345.64, 12345.68, 12350, 1e6)), wide),
  cutting("cut labels", cut(x, c(-3, 1, 8), labels = c("low", "high"))))

coded <- function(name, made) record(name, fit = columns(made))
out <- c(out,
  coded("contr.treatment 4", contr.treatment(4)),
  coded("contr.treatment 4 base 2", contr.treatment(4, base = 2)),
  coded("contr.sum 4", contr.sum(4)),
  coded("contr.helmert 4", contr.helmert(4)),
  coded("contr.sdif 4", contr.sdif(4)),
  coded("contr.sdif 5", contr.sdif(5)),
  coded("contr.poly 2", contr.poly(2)),
  coded("contr.poly 5", contr.poly(5)),
  coded("contr.poly 9", contr.poly(9)),
  coded("contr.poly 4 scores", contr.poly(4, scores = c(1, 2, 4, 8))))

writeLines(c("{", paste(out, collapse = ",\n"), "}"), "basis.json")

# R's glm, or MASS's glm.nb, on the columns of a folder: one line of JSON with CPU and wall seconds, memory and iterations, and the
# numbers in raw files. Arguments: the folder, rows of the warm-up, family, formula, "fit" or "text", where to write.

arguments <- commandArgs(TRUE)
folder <- arguments[1]; warm <- as.integer(arguments[2])
negative <- arguments[3] == "negative_binomial"
family <- if (!negative) get(arguments[3])(); model <- as.formula(arguments[4])
printed <- arguments[5] == "text"; out <- arguments[6]

column <- function(name, kind, levels) {
  path <- file.path(folder, paste0(name, ".", kind))
  if (kind == "f64") return(readBin(path, "double", file.size(path) / 8))
  codes <- readBin(path, "integer", file.size(path) / 4, size = 4)
  if (levels == 0) codes else letters[codes + 1]
}
table <- read.table(file.path(folder, "columns.txt"), col.names = c("name", "kind", "levels"))
data <- as.data.frame(setNames(Map(column, table$name, table$kind, table$levels), table$name))

memory <- function(word) {
  if (!file.exists("/proc/self/status")) return(NaN)
  lines <- readLines("/proc/self/status")
  as.numeric(gsub("[^0-9]", "", lines[startsWith(lines, word)])) / 1024
}
fitted <- function(data) if (negative) MASS::glm.nb(model, data) else glm(model, family, data)
text <- function(data) capture.output(print(summary(fitted(data))))

if (printed) {
  repeats <- 50
  for (i in 1:repeats) text(data)
  best <- min(replicate(5, {
    start <- proc.time(); for (i in 1:repeats) text(data); sum((proc.time() - start)[1:2])
  })) / repeats
  clock <- c(best, 0, NaN); extra <- NaN
  fit <- fitted(data); numbers <- coef(summary(fit))
} else {
  if (warm > 0) invisible(summary(fitted(data[seq_len(warm), ])))
  invisible(gc())
  try(suppressWarnings(cat("5", file = "/proc/self/clear_refs")), silent = TRUE)
  base <- memory("VmRSS")
  start <- proc.time()
  fit <- fitted(data); numbers <- coef(summary(fit))
  clock <- proc.time() - start
  extra <- memory("VmHWM") - base
}
writeBin(as.vector(numbers[, 1:2]), out)
number <- function(x) if (is.nan(x)) "null" else sprintf("%.6f", x)
cat(sprintf('\n{"cpu": %.6f, "wall": %s, "extra_mb": %s, "work": "%d"}\n', clock[1] + clock[2],
            number(clock[3]), number(extra), fit$iter))

module template_diff

go 1.22

output "address" {
  description = "The instance's address inside its network"
  value       = google_compute_instance_from_template.nos.network_interface[0].network_ip
}

output "console" {
  description = "How to get to the shell"
  value       = "gcloud compute connect-to-serial-port ${var.name} --project=${var.project} --zone=${var.zone}"
}
